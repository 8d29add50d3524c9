# A small stack machine running two programs: much branching, dictionaries, strings.
def run(program, *stack):
    stack, pc, steps, out = list(stack), 0, 0, []
    labels = {w[:-1]: i for i, w in enumerate(program) if w.endswith(":")}
    while pc < len(program):
        w, steps, pc = program[pc], steps + 1, pc + 1
        if w.endswith(":"):
            continue
        if w.isdigit():
            stack.append(int(w))
        elif w == "dup":
            stack.append(stack[-1])
        elif w == "swap":
            stack[-1], stack[-2] = stack[-2], stack[-1]
        elif w == "over":
            stack.append(stack[-2])
        elif w == "drop":
            stack.pop()
        elif w == "print":
            out.append(stack[-1])
        elif w.startswith("jz."):
            if stack.pop() == 0:
                pc = labels[w[3:]]
        elif w.startswith("jmp."):
            pc = labels[w[4:]]
        else:
            b, a = stack.pop(), stack.pop()
            stack.append({"+": a + b, "-": a - b, "*": a * b, "%": a % b if b else 0}[w])
    return stack, out, steps


factorial = "1 swap loop: dup jz.end dup print 1 - swap over 1 + * swap jmp.loop end: drop".split()
print(run(factorial, 6))
gcd = "loop: dup jz.end swap over % jmp.loop end: drop".split()
print(run(gcd, 1071, 462), run(gcd, 17, 5))
