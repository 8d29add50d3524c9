# Viper code: 32-bit integers that wrap, pointers, unsigned comparison.
import micropython
from array import array


@micropython.viper
def wrap(x: int, y: int) -> int:
    return x * y + 1


@micropython.viper
def fill(buf: ptr8, n: int, start: int):
    for i in range(n):
        buf[i] = start + i


@micropython.viper
def add16(buf: ptr16, n: int) -> int:
    total = 0
    for i in range(n):
        total += buf[i]
    return total


@micropython.viper
def swap32(buf: ptr32, i: int, j: int):
    t = buf[i]
    buf[i] = buf[j]
    buf[j] = t


@micropython.viper
def bits(x: uint) -> uint:
    n = uint(0)
    while x:
        n += x & 1
        x >>= 1
    return n


@micropython.viper
def greater(a: uint, b: uint) -> bool:
    return a > b


@micropython.viper
def shifts(x: int) -> int:
    return ((x << 4) ^ (x >> 2)) & 0xFFFF


print(wrap(65536, 65536), wrap(0x7FFFFFFF, 1), wrap(-3, 5), wrap(46341, 46341))
b = bytearray(6)
fill(b, 6, 253)
print(b, add16(array("H", [1, 2, 65535]), 3))
a = array("i", [1, -2, 3])
swap32(a, 0, 2)
print(list(a), bits(0xF0F00001), greater(0xFFFFFFFF, 1), shifts(0x1234), shifts(-1))
