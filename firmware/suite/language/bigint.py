# Long integers: factorial, powers, division, shifts, comparison, text.
f = 1
for i in range(1, 51):
    f *= i
print(f)
print(f // 10**20, f % 10**20, f >> 100, -f >> 100)
print(2**200 // 3**50, -(2**200) // 3**50, 2**200 % 3**50, -(2**200) % 3**50)
print(pow(3, 1000, 10**20), hex(2**100 + 255), int("123456789" * 5))
a, b = 0, 1
for i in range(300):
    a, b = b, a + b
print(a, a & (2**64 - 1), (a | 1) ^ a, ~a)


def gcd(m, n):
    while n:
        m, n = n, m % n
    return m


print(gcd(f, 2**60 * 17**3), f > 2**200, f == f + 0, -f < 0 < f)
print((10**40 + 7) * (10**40 - 7) == 10**80 - 49)
