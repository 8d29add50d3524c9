# A file over many flash sectors keeps every byte, also after parts are rewritten.
import os, hashlib, binascii

N = 24
block = bytes(i * 31 & 255 for i in range(1024))
h = hashlib.sha256()
with open("big.bin", "wb") as f:
    for i in range(N):
        piece = bytes([i]) + block[1:]
        f.write(piece)
        h.update(piece)
print(os.stat("big.bin")[6])
g = hashlib.sha256()
with open("big.bin", "rb") as f:
    while True:
        piece = f.read(700)
        if not piece:
            break
        g.update(piece)
print(h.digest() == g.digest() or binascii.hexlify(g.digest()))
with open("big.bin", "rb+") as f:
    f.seek(5000)
    f.write(b"patched")
    f.seek(4990)
    print(f.read(20)[10:17], f.tell())
with open("big.bin", "rb") as f:
    f.seek(23 * 1024)
    print(f.read(1), len(f.read()))
os.remove("big.bin")
