"""Zip archives from strangers, unpacked within the sizes they declare.

`ZipFile.read` inflates whatever is there, and bzip2 and xz have no limit at all: a kilobyte of them gives
a gigabyte, whatever the archive's directory says.
"""

import io
from typing import Dict
import zipfile

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class BoundedZip:
    """An archive in memory of at most `max_members` that unpack to at most `max_bytes` together.

    ValueError, or what `zipfile` and `zlib` raise, where it is damaged, larger or packed in another way.
    """

    def __init__(self, packed: bytes, max_members: int, max_bytes: int) -> None:
        if packed.count(b'PK\1\2') > 2 * max_members:      # entries of the directory, before any is read
            raise ValueError(f'an archive of more than {max_members} members')
        self._archive = zipfile.ZipFile(io.BytesIO(packed))
        infos = self._archive.infolist()
        unpacked = sum(info.file_size for info in infos)
        if len(infos) > max_members or unpacked > max_bytes:
            raise ValueError(f'unpacks to {len(infos)} members of {unpacked >> 20} MiB in all; '
                             f'refused above {max_members} or {max_bytes >> 20} MiB')
        if any(info.compress_type not in _METHODS for info in infos):
            raise ValueError('packed with another method than deflate')
        self.members: Dict[str, zipfile.ZipInfo] = {info.filename: info for info in infos}
        if len(self.members) < len(infos):
            raise ValueError('several members of one name')

    def read(self, name: str) -> bytes:
        """Return a member's content, never more than the archive's directory says; KeyError."""
        info = self.members[name]
        with self._archive.open(info) as member:
            content = member.read(info.file_size + 1)
        if len(content) != info.file_size:
            raise ValueError(f'{name} is not as long as the archive says')
        return content
