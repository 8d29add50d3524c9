# The edges between small, 31-bit, 32-bit and long integers are not visible.
for shift in (29, 30, 31, 32, 61, 62, 63, 64):
    top = 1 << shift
    print(shift, top - 1, top, top + 1, -top, -top - 1, (top - 1) + 1 == top)
    print((top - 1) * (top + 1), (top * top) // top == top, (-top) // 3, (-top) % 3)
x = 0x3FFFFFFF
for i in range(4):
    x += 1
    print(x, hex(x), x & 0xFFFF)
print(sum(range(100000)), hash(5) == hash(5))
