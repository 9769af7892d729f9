"""The house style as a test: layers, banned calls, lengths, headers. Standard library only.

Called by ctest and ./dev tidy: tidy.py <source dir> <build dir>. Each rule is one test; each also has to find
what is wrong in a sample, so that a rule that no longer sees anything fails. gen/ is not ours and not read.
"""
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500

LIBRARIES = {  # how an #include <...> begins -> the library's name in the layer table
    "ev.h": "libev", "openssl/": "openssl", "curl/": "curl", "nghttp2/": "nghttp2", "libpq-fe.h": "libpq",
    "protobuf-c/": "protobuf-c", "zlib.h": "zlib", "argon2.h": "argon2", "jansson.h": "jansson",
    "microhttpd.h": "microhttpd",
}
LINKED = {  # how a link line spells them
    "${EV_LIBRARY}": "libev", "PkgConfig::OPENSSL": "openssl", "PkgConfig::CURL": "curl",
    "PkgConfig::NGHTTP2": "nghttp2", "PkgConfig::PQ": "libpq", "PkgConfig::PROTOBUF_C": "protobuf-c",
    "PkgConfig::ZLIB": "zlib", "PkgConfig::ARGON2": "argon2", "PkgConfig::JANSSON": "jansson",
    "PkgConfig::MICROHTTPD": "microhttpd",
}
HANDLERS = ("services", "jobs", "domain")
# A function that works for a call: what it allocates would have to be freed on every way the call can end.
# What lives as long as the process (a cache, a job for a thread) may be allocated beside it.
FOR_A_CALL = re.compile(r"\bstruct call \*")
LIBRARY_LAYERS = ("base", "io", "h2", "grpc", "db", "domain", "services")
BANNED = [  # call, layers (None: everywhere), what instead
    (r"strcpy|strcat|sprintf|vsprintf|gets", None, "snprintf, memcpy or buf_printf"),
    (r"atoi|atol|atoll|strtok", None, "str_int64, str_cut"),
    (r"malloc|calloc|realloc|free|strdup|strndup", HANDLERS, "the call's arena"),
    (r"PQexec\w*|PQprepare|PQconnectdb\w*|PQgetResult_blocking", ("db",) + HANDLERS,
     "the asynchronous functions: the loop must not wait"),
    (r"sleep|usleep|nanosleep", LIBRARY_LAYERS, "a timer of the loop"),
    (r"printf|fprintf|puts|fputs|perror", LIBRARY_LAYERS, "a negative errno; libraries return, they do not log"),
]
# One home each for what is banned elsewhere.
HOMES = {
    "src/services/auth/password_job.c": {"calloc", "free"},  # a job on a thread outlives a cancelled call
}


class File:
    def __init__(self, path, text):
        self.path = path  # relative to the root, with /
        self.text = text
        self.lines = text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.code = blank_comments_and_strings(text)
        self.code_lines = self.code.split("\n")
        parts = path.split("/")
        self.layer = ("main" if len(parts) == 2 else parts[1]) if parts[0] == "src" else None

    def is_for_a_call(self, number):
        """Whether the function around this line takes a call."""
        start = number
        while start > 0 and self.code_lines[start - 1].rstrip() != "{":
            start -= 1
        signature = []
        while start > 1 and self.code_lines[start - 2].strip():
            start -= 1
            signature.insert(0, self.code_lines[start - 1])
        return bool(FOR_A_CALL.search(" ".join(signature)))

    def includes(self):
        for number, line in enumerate(self.lines, 1):
            found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if found:
                yield number, found[1] == '"', found[2]


def blank_comments_and_strings(text):
    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


class Table:
    """The layer table of src/README.md."""

    def __init__(self, text):
        block = re.search(r"```layers\n(.*?)```", text, re.S)
        self.layers, self.libraries = {}, {}
        for line in block[1].splitlines() if block else []:
            name, rest = (part.strip() for part in line.split("->", 1))
            layers, _, libraries = rest.partition("+")
            self.layers[name] = set(layers.split())
            self.libraries[name] = set(libraries.split())

    def may(self, kind, layer, wanted):
        allowed = getattr(self, kind).get(layer, set())
        return wanted == layer or wanted in allowed or "everything" in allowed


class Tree:
    def __init__(self, root, files, table, generated):
        self.root, self.files, self.table, self.generated = root, files, table, generated

    def layer_of_include(self, name):
        top = name.split("/")[0]
        if top == "gen" or name in self.generated:
            return "gen"
        if "/" not in name:
            return "main" if name == "config.h" else None  # beside the file, or the made version.h
        return top


def rule_layers(tree):
    for file in (f for f in tree.files if f.layer):
        if file.layer not in tree.table.layers:
            yield file, 1, f"the folder {file.layer} has no row in the layer table of src/README.md"
            continue
        for number, ours, name in file.includes():
            if ours:
                layer = tree.layer_of_include(name)
                if layer and not tree.table.may("layers", file.layer, layer):
                    yield file, number, f"{file.layer} may not include {layer} ({name})"
            else:
                library = next((lib for start, lib in LIBRARIES.items() if name.startswith(start)), None)
                if library and not tree.table.may("libraries", file.layer, library):
                    yield file, number, f"{file.layer} may not use {library} (<{name}>)"


def rule_services_do_not_meet(tree):
    for file in tree.files:
        own = re.match(r"src/services/(\w+)/", file.path)
        for number, ours, name in file.includes() if own else ():
            other = re.match(r"services/(\w+)/", name)
            if ours and other and other[1] not in (own[1], "shared"):
                yield file, number, f"{own[1]} includes {other[1]}: share a rule (domain) or a row (SQL)"


def rule_link_lines(tree):
    for path in sorted((tree.root / "src").glob("*/CMakeLists.txt")):
        layer = path.parent.name
        text = path.read_text()
        file = File(path.relative_to(tree.root).as_posix(), text)
        found = re.search(r"^fg_library\((\w+)([^)]*)\)", text, re.M)
        for word in found[2].split() if found else ():
            if word in LINKED:
                kind, wanted = "libraries", LINKED[word]
            elif word.startswith("fg_"):
                kind, wanted = "layers", "gen" if word in ("fg_pb", "fg_sql") else word[3:]
            else:
                continue
            if not tree.table.may(kind, layer, wanted):
                yield file, 1, f"{layer} may not link {wanted}"


def rule_banned_calls(tree):
    for file in tree.files:
        for calls, layers, instead in BANNED:
            if file.layer is None or (layers is not None and file.layer not in layers):
                continue
            for number, line in enumerate(file.code_lines, 1):
                for found in re.finditer(rf"(?<![\w.>])({calls})\s*\(", line):
                    # A declaration in an attribute is no call.
                    if re.search(r"format\s*\($", line[:found.start()]):
                        continue
                    if "malloc" in calls and file.layer != "domain" and not file.is_for_a_call(number):
                        continue
                    if found[1] not in HOMES.get(file.path, ()):
                        yield file, number, f"{found[1]}: use {instead}"


def rule_function_length(tree):
    for file in tree.files:
        start = None
        for number, line in enumerate(file.code_lines, 1):
            if line.rstrip() == "{":
                start = number
            elif line.rstrip() == "}" and start:
                if number - start - 1 > FUNCTION_LINES_MAX:
                    yield file, start, f"a function of {number - start - 1} lines (max {FUNCTION_LINES_MAX})"
                start = None


def rule_file_length(tree):
    for file in tree.files:
        if len(file.lines) > FILE_LINES_MAX:
            yield file, len(file.lines), f"{len(file.lines)} lines (max {FILE_LINES_MAX})"


def rule_columns(tree):
    for file in tree.files:
        for number, line in enumerate(file.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield file, number, f"{len(line)} columns (max {COLUMNS_MAX})"
            if "\t" in line or line != line.rstrip():
                yield file, number, "a tab, or blanks at the end"


def rule_pragma_once(tree):
    for file in tree.files:
        if file.path.endswith(".h") and "#pragma once" not in file.lines:
            yield file, 1, "no #pragma once"


def rule_no_typedef_struct(tree):
    for file in tree.files:
        for number, line in enumerate(file.code_lines, 1):
            if re.search(r"\btypedef\s+(struct|enum|union)\b", line):
                yield file, number, "struct x, never typedef"


def rule_opening_comment(tree):
    for file in tree.files:
        opening = re.match(r"/\*.*?\*/", file.text, re.S)
        if not opening or len(opening[0]) < 40:
            yield file, 1, "the file does not open with what it is"


def rule_own_header_first(tree):
    for file in tree.files:
        if not file.layer or not file.path.endswith(".c"):
            continue
        own = file.path[len("src/"):-2] + ".h"
        ours = [name for _, quoted, name in file.includes() if quoted]
        if own in ours and next(file.includes())[2] != own:
            yield file, 1, f"{own} is not included first"


def rule_headers_compile_alone(tree):
    flags = shlex.split(subprocess.run(
        ["pkg-config", "--cflags", "libnghttp2", "libpq", "libprotobuf-c", "openssl", "libcurl", "jansson",
         "libmicrohttpd", "libargon2", "cunit"], capture_output=True, text=True, check=True).stdout)
    headers = [f for f in tree.files if f.path.endswith(".h")]

    def compile_alone(file):
        path = tree.root / file.path
        return subprocess.run(
            ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
             f"-I{tree.root}/src", f"-I{tree.root}/tests", f"-I{tree.root}", f"-isystem{tree.root}/gen/pb",
             *flags, "-include", str(path), "/dev/null"], capture_output=True, text=True)

    with ThreadPoolExecutor(2) as pool:
        for file, done in zip(headers, pool.map(compile_alone, headers)):
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if "error:" in line]
                yield file, 1, "does not compile alone: " + "".join(errors[:1])


# For each rule a file that breaks it; the path decides the layer.
SAMPLES = {
    rule_layers: ("src/base/x.c", '#include "io/op.h"\n'),
    rule_services_do_not_meet: ("src/services/auth/x.c", '#include "services/booking/booking.h"\n'),
    rule_link_lines: ("src/base/CMakeLists.txt", "fg_library(base fg_io)\n"),
    rule_banned_calls: ("src/services/auth/x.c", "void f(struct call *c)\n{\n    g(malloc (1));\n}\n"),
    rule_function_length: ("src/base/x.c", "void f(void)\n{\n" + "    g();\n" * 71 + "}\n"),
    rule_file_length: ("src/base/x.c", "int x;\n" * 501),
    rule_columns: ("src/base/x.c", "x" * 101 + "\n"),
    rule_pragma_once: ("src/base/x.h", "int x;\n"),
    rule_no_typedef_struct: ("src/base/x.h", "typedef struct x {\n    int y;\n} x;\n"),
    rule_opening_comment: ("src/base/x.c", "int x;\n"),
    rule_own_header_first: ("src/base/x.c", '#include <errno.h>\n#include "base/x.h"\n'),
    rule_headers_compile_alone: ("src/base/x.h", "#pragma once\nuint32_t x(void);\n"),
}


def finds_its_sample(rule, table):
    path, text = SAMPLES[rule]
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
        return any(True for _ in rule(Tree(root, [File(path, text)], table, set())))


def read_tree(root):
    paths = sorted(path for top in ("src", "tests") for path in (root / top).rglob("*.[ch]"))
    files = [File(path.relative_to(root).as_posix(), path.read_text())
             for path in paths if ".sql." not in path.name]  # sqlgen's own tests keep what it makes
    generated = {path.relative_to(root / "gen/pb").as_posix() for path in (root / "gen/pb").rglob("*.h")}
    return Tree(root, files, Table((root / "src/README.md").read_text()), generated)


def main():
    tree = read_tree(pathlib.Path(sys.argv[1]).resolve())
    passed = failed = 0
    for rule in SAMPLES:
        name = rule.__name__[len("rule_"):].replace("_", " ")
        broken = list(rule(tree))
        for file, line, message in broken:
            print(f"{file.path}:{line}: {message}")
        if not finds_its_sample(rule, tree.table):
            print(f"the rule '{name}' does not find what is wrong in its sample")
            broken.append(None)
        passed += not broken
        failed += bool(broken)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
