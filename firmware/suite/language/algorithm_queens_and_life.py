# Eight queens by backtracking, and a glider in the game of life.
def queens(n, row=0, cols=0, down=0, up=0):
    if row == n:
        return 1
    free, found = ~(cols | down | up) & ((1 << n) - 1), 0
    while free:
        bit = free & -free
        free ^= bit
        found += queens(n, row + 1, cols | bit, (down | bit) << 1, (up | bit) >> 1)
    return found


print([queens(n) for n in range(1, 8)])
cells = {(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}
for _ in range(20):
    count = {}
    for x, y in cells:
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    k = (x + dx, y + dy)
                    count[k] = count.get(k, 0) + 1
    cells = {k for k, n in count.items() if n == 3 or (n == 2 and k in cells)}
print(sorted(cells))


def permutations(s):
    if len(s) <= 1:
        yield s
    for i, c in enumerate(s):
        for rest in permutations(s[:i] + s[i + 1 :]):
            yield c + rest


print(list(permutations("abc")), sum(1 for _ in permutations("abcde")))
