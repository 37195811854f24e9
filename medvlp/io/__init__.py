"""Files: publish them whole or not at all, hash them, name them, write and read tables.

``publish`` gives a file or a folder its final name only when it is complete; ``tables`` writes
JSON, CSV and Parquet through it; ``hashing`` names a content; ``names`` turns the user's names
of cases into names that are safe in every file system; ``hdf5_checks`` refuses feature files that
reach outside themselves or promise more than they hold. ``dicom_header``, ``dicom_values``,
``dicom_frames``, ``pixel_layout`` and ``codestreams`` read DICOM files for scans and X-rays alike,
under the ``reading_rules`` of the reader that asks.
"""

from medvlp.io.hashing import content_sha256, json_sha256
from medvlp.io.names import case_keys, is_safe_key
from medvlp.io.publish import (
    AlreadyPublishedError,
    check_output_folder,
    full_disk_errors,
    output_errors,
    publish_file,
    publish_folder,
)
from medvlp.io.tables import read_csv, write_csv, write_json, write_table

__all__ = [
    "AlreadyPublishedError",
    "case_keys",
    "check_output_folder",
    "content_sha256",
    "full_disk_errors",
    "is_safe_key",
    "json_sha256",
    "output_errors",
    "publish_file",
    "publish_folder",
    "read_csv",
    "write_csv",
    "write_json",
    "write_table",
]
