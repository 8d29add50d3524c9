# A sieve, a matrix power, and binary search: loops that touch much memory.
N = 5000
sieve = bytearray(b"\x01" * (N + 1))
sieve[0] = sieve[1] = 0
for i in range(2, int(N**0.5) + 1):
    if sieve[i]:
        for j in range(i * i, N + 1, i):
            sieve[j] = 0
primes = [i for i in range(N + 1) if sieve[i]]
print(len(primes), primes[:8], primes[-3:], sum(primes))


def mul(a, b):
    return [[sum(x * y for x, y in zip(row, col)) % 1000007 for col in zip(*b)] for row in a]


m, r, e = [[1, 1, 0], [1, 0, 2], [3, 0, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 77
while e:
    if e & 1:
        r = mul(r, m)
    m = mul(m, m)
    e >>= 1
print(r)


def search(x):
    lo, hi = 0, len(primes)
    while lo < hi:
        mid = (lo + hi) // 2
        if primes[mid] < x:
            lo = mid + 1
        else:
            hi = mid
    return lo


print([search(x) for x in (0, 2, 3, 100, 4999, 9999)])
