# binascii against values that CPython gives.
import binascii

data = bytes(range(0, 256, 5))
print(binascii.hexlify(data), binascii.unhexlify(b"00ff7f80"), binascii.hexlify(b"abc", ":"))
for n in range(6):
    encoded = binascii.b2a_base64(data[:n])
    print(encoded, binascii.a2b_base64(encoded) == data[:n])
print(binascii.crc32(b""), binascii.crc32(b"123456789"), binascii.crc32(b"456789", binascii.crc32(b"123")))
for f, bad in ((binascii.unhexlify, b"0"), (binascii.unhexlify, b"zz"), (binascii.a2b_base64, b"a")):
    try:
        f(bad)
    except ValueError:
        print("ValueError")
