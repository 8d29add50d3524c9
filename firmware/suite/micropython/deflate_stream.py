# deflate reads what CPython's zlib wrote.
import deflate, io, binascii

packed = binascii.a2b_base64(
    b"eNorLixNTa1KVchNVSgeZQ4dJgMjEzMLKxs7BycXNw8vH7+AoJCwiKiYuISklLSMrJy8gqKSsoqqmrqGppa2jq6evoGhkbGJqZm5haWVtY2tnT0AYfqrAQ=="
)
data = deflate.DeflateIO(io.BytesIO(packed), deflate.ZLIB).read()
print(len(packed), len(data), data[:22], data[-4:], data == b"squeeze me " * 40 + bytes(range(64)))
with deflate.DeflateIO(io.BytesIO(packed), deflate.AUTO) as stream:
    print(stream.read(7), stream.read(4))
try:
    deflate.DeflateIO(io.BytesIO(b"\x78\x9c\xff\xff\xff"), deflate.ZLIB).read()
except (OSError, EOFError, ValueError):
    print("refused")
