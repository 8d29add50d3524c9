# Text work: word counts, Caesar, run lengths, edit distance, big-number decimal by hand.
text = "it was the best of times it was the worst of times"
count = {}
for w in text.split():
    count[w] = count.get(w, 0) + 1
print(sorted(count.items(), key=lambda kv: (-kv[1], kv[0])))


def shift(s, n):
    return "".join(chr((ord(c) - 97 + n) % 26 + 97) if c.isalpha() else c for c in s)


print(shift(text, 13), shift(shift(text, 13), 13) == text)


def runs(s):
    out, i = "", 0
    while i < len(s):
        j = i
        while j < len(s) and s[j] == s[i]:
            j += 1
        out += s[i] + str(j - i)
        i = j
    return out


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


print(runs("aaabccdddd"), distance("kitten", "sitting"), distance("", "abc"), distance("same", "same"))
digits = [1]
for _ in range(100):
    carry = 0
    for i in range(len(digits)):
        carry, digits[i] = divmod(digits[i] * 2 + carry, 10)
    if carry:
        digits.append(carry)
print("".join(map(str, reversed(digits))), 2**100)
