"""Numbers of what delivers samples."""

from __future__ import annotations

import sqlalchemy as sa

from ciaas.limits import SOURCE_NAME_CHARS_MAX, SOURCES_MAX
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import check_text
from ciaas.storage.registry.schema import source


class Sources:
    """The part of `RegistryStore` about sources."""

    _database: Database

    def source(self, name: str) -> int:
        """Return the number of a source such as ``mqtt:<uuid>``; a new name gets one.

        Raises:
            Conflict: the name is too long, or SOURCES_MAX is reached.
        """
        check_text(name, SOURCE_NAME_CHARS_MAX, "the name of the source")
        known = sa.select(source.c.id).filter_by(name=name)
        with self._database.read() as connection:
            number = connection.execute(known).scalar()
        if number is not None:
            return number
        with self._database.change() as change:
            number = change.connection.execute(known).scalar()
            if number is None:
                change.check_room(
                    sa.select(sa.func.coalesce(sa.func.max(source.c.id), 0)),
                    SOURCES_MAX,
                    f"there are {SOURCES_MAX:,} sources already: reuse the names of earlier ones",
                )
                number = change.insert(source, {"name": name})
            return number
