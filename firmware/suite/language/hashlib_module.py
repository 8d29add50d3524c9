# Hashes: known digests, updates in pieces, sizes around the block length.
import hashlib, binascii


def hexdigest(h):
    return binascii.hexlify(h.digest()).decode()


for name in ("sha256", "sha1", "md5"):
    make = getattr(hashlib, name)
    print(name, hexdigest(make(b"")), hexdigest(make(b"abc")))
    for n in (55, 56, 63, 64, 65, 119, 128, 1000):
        data = bytes(i & 255 for i in range(n))
        whole = hexdigest(make(data))
        h = make()
        for i in range(0, n, 7):
            h.update(data[i : i + 7])
        print(n, whole[:16], hexdigest(h) == whole)
