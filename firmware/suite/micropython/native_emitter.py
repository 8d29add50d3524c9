# Functions compiled to machine code behave like interpreted ones.
import micropython


@micropython.native
def loop(n):
    total = 0
    for i in range(n):
        if i % 3 == 0:
            continue
        total += i * i
    return total


@micropython.native
def catch(x):
    try:
        return 10 // x
    except ZeroDivisionError:
        return "zero"
    finally:
        log.append(x)


@micropython.native
def make(k):
    def add(x):
        return x + k

    return add


@micropython.native
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@micropython.native
def numbers(n):
    for i in range(n):
        yield i * 10


log = []
print(loop(100), catch(5), catch(0), log)
print(make(5)(37), fib(15), list(numbers(4)), make("a")("b"))
print(loop(3000) == sum(i * i for i in range(3000) if i % 3), 2**40 + make(1)(0))
