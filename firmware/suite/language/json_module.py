# json: both ways, nesting, escapes, numbers, errors.
import json, io

for text in ("1", "-2.5", "true", "null", '"a\\n\\u0041\\"q"', "[]", "[1, [2, [3]]]", '{"k": [1, {"n": null}]}', ' [ 1 , 2 ] '):
    value = json.loads(text)
    print(value, json.dumps(value), json.loads(json.dumps(value)) == value)
print(json.dumps({"one": (1, 2)}), json.dumps([True, None, "tab\t"]), json.load(io.StringIO("[5]")))
out = io.StringIO()
json.dump({"a": 1.5}, out)
print(out.getvalue())
big = {str(i): [i, str(i)] for i in range(50)}
print(json.loads(json.dumps(big)) == big)
for bad in ("", "nope", "tru"):
    try:
        print(json.loads(bad))
    except ValueError:
        print("ValueError")
