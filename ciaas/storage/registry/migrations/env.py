"""Run by Alembic for each migration, on the connection that `migration` hands over."""

from alembic import context

from ciaas.storage.registry.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
