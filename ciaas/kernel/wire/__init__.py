"""cloud.io on the wire: topics, documents in JSON or CBOR, what they declare and what they report.

Reading is tolerant: a bad element drops only itself, and says why. Source: ``docs/cloudio.md``.
"""

from ciaas.kernel.wire.declaration import (
    Fault,
    node_without_readings,
    read_attribute,
    read_model,
    read_node,
    without_readings,
)
from ciaas.kernel.wire.document import Document, Tree, WireError, WireFormat, read_document
from ciaas.kernel.wire.encoding import (
    attribute_tree,
    encode,
    encode_attribute,
    encode_delayed,
    encode_log,
    encode_model,
    encode_node,
    encode_output,
    encode_transaction,
    node_tree,
)
from ciaas.kernel.wire.journal import ExecOutput, LogLevel, LogLine, read_log, read_output
from ciaas.kernel.wire.reading import Reading, read_attributes, read_entries, read_reading
from ciaas.kernel.wire.topic import TO_DEVICE, Verb, long_form, short_form, subject_of, topic_of

__all__ = [
    "TO_DEVICE",
    "Document",
    "ExecOutput",
    "Fault",
    "LogLevel",
    "LogLine",
    "Reading",
    "Tree",
    "Verb",
    "WireError",
    "WireFormat",
    "attribute_tree",
    "encode",
    "encode_attribute",
    "encode_delayed",
    "encode_log",
    "encode_model",
    "encode_node",
    "encode_output",
    "encode_transaction",
    "long_form",
    "node_tree",
    "node_without_readings",
    "read_attribute",
    "read_attributes",
    "read_document",
    "read_entries",
    "read_log",
    "read_model",
    "read_node",
    "read_output",
    "read_reading",
    "short_form",
    "subject_of",
    "topic_of",
    "without_readings",
]
