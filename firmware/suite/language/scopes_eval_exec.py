# Names: global, local, builtins hidden, del; code made at run time.
x = "global"


def local():
    x = "local"
    return x


def unbound():
    print(y)
    y = 1


print(local(), x)
try:
    unbound()
except NameError as e:
    print("NameError")
print(eval("1 + 2 * 3"), eval("x + '!'"), eval("[i for i in range(3)]"))
exec("z = 5\ndef made(a):\n    return a * z\n")
print(made(3), z)
scope = {"a": 2}
exec("b = a + 1", scope)
print(scope["b"], eval("a * b", scope), "b" in globals())
code = compile("x * 2", "<made>", "eval")
print(eval(code), eval(code, {"x": 21}))
len_was, len = len, lambda v: "hidden"
print(len([]))
len = len_was
del x
try:
    x
except NameError:
    print("gone")
for bad in ("1 +", "def f(:", "x = = 1", "for", "'open"):
    try:
        compile(bad, "<bad>", "exec")
    except SyntaxError:
        print("SyntaxError")
