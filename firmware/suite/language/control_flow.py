# Loops, conditions and assignment expressions.
for n in range(2, 12):
    for d in range(2, n):
        if n % d == 0:
            print(n, "=", d, "*", n // d)
            break
    else:
        print(n, "is prime")
i = 0
while True:
    i += 1
    if i % 2:
        continue
    if i > 6:
        break
    print(i, end=" ")
else:
    print("never")
print(i)
data = [5, 3, 8]
while (n := len(data)) and (x := data.pop()) != 5:
    print(n, x)
print("%s" % ("yes" if x else "no"), [y for z in (1, 2, 3) if (y := z * z) > 1])
pass
x = 1 if i > 100 else 2 if i > 5 else 3
print(x, sep="|", end="!\n")
print(1, "a", None, True, sep=", ")
for i in range(3):
    for j in range(3):
        if j == 1:
            break
    if i == 1:
        break
print(i, j)
