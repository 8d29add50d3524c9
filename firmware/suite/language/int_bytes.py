# Integers to bytes and back.
for n in (0, 1, 255, 256, 0x12345678, 2**64 - 1):
    big = n.to_bytes(8, "big")
    little = n.to_bytes(8, "little")
    print(big, little, int.from_bytes(big, "big") == n, int.from_bytes(little, "little") == n)
print(int.from_bytes(b"\x01\x02\x03", "big"), int.from_bytes(b"", "big"))
print((5).to_bytes(1, "big"), (1 << 100).to_bytes(13, "little"))
