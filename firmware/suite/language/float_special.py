# Infinity, not-a-number, signed zero, and comparison with integers.
inf, nan = float("inf"), float("nan")
print(inf, -inf, nan, inf > 10**30, -inf < 0, inf == inf, nan == nan, nan != nan)
print(inf - 1, -inf * 2, 1 / inf, inf + inf, [x == x for x in (inf - inf, inf * 0)])
print(0.0 == -0.0, str(-0.0), 1.0 == 1, 0.5 < 1 < 1.5, 2**20 == float(2**20))
print(max(1, 2.5, 2), min(1.5, 1), sorted([3, 1.5, 2, -0.5]), sum([0.5, 0.25, 1]))
print(bool(0.0), bool(nan), int(1e6), hash(1.0) == hash(1))
for f in (lambda: 1.0 / 0, lambda: int(inf), lambda: int(nan), lambda: 0.0**-1, lambda: 5 % 0.0):
    try:
        print(f())
    except (ZeroDivisionError, OverflowError, ValueError) as e:
        print(type(e).__name__)
