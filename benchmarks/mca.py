"""The inner loops of the integer products, as llvm-mca sees them on processors that are not at hand: the share of the
dot-product pipes that each loop keeps busy.

    python3 benchmarks/mca.py [SET...]          all sets that a compiler here makes

Each set is compiled as the library is; every loop of one basic block that holds dot products is a row, and below it stands
the loop around it, if that runs over groups and branches nowhere else: with the scales and sums of a group's end. A limit is a run of
as many of the same instruction on registers that do not depend on each other, by the same model, so a share of 100 % says
that nothing else costs a cycle (of few products, that their latency does). Memory and caches are outside the model: everything is a hit in L1.
"""
import functools, pathlib, re, shutil, subprocess, sys, tempfile

SOURCE = pathlib.Path(__file__).resolve().parent.parent
ARM = ["cortex-a76", "cortex-a78", "neoverse-n1", "neoverse-v1", "apple-m1"]
X86 = ["-mavx2", "-mfma", "-mf16c"]
AVX512 = X86[1:] + ["-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl", "-mavx512vnni"]
SETS = {  # name: compiler, flags, triple, dot products, processors
    "neondot": ("aarch64-linux-gnu-g++", ["-march=armv8.2-a+dotprod"], "aarch64", ["sdot"], ARM),
    "neoni8mm": ("aarch64-linux-gnu-g++", ["-march=armv8.2-a+dotprod+i8mm"], "aarch64", ["smmla"],
                 ["neoverse-v1", "neoverse-n2", "cortex-a710", "apple-m2"]),
    "avx512vnni": ("g++", AVX512, "x86_64", ["vpdpbusd"], ["znver4", "sapphirerapids"]),
    "avxvnni": ("g++", X86 + ["-mavxvnni"], "x86_64", ["vpdpbusd"], ["alderlake"]),
}


def newest_mca():
    found = [path for version in range(30, 13, -1) if (path := shutil.which(f"llvm-mca-{version}"))]
    if not found and not shutil.which("llvm-mca"):
        sys.exit("llvm-mca was not found: install llvm-19, or any other llvm")
    return found[0] if found else "llvm-mca"


MCA = newest_mca()


def cycles(lines, triple, cpu, iterations=200):
    """Of one iteration. Vectors of the loop only: where it branches to is not known to llvm-mca."""
    text = "\n".join(lines) + "\n"
    run = subprocess.run([MCA, f"-mtriple={triple}", f"-mcpu={cpu}", f"-iterations={iterations}"], input=text,
                         capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{MCA} -mcpu={cpu}: {run.stderr.strip().splitlines()[0]}")
    return int(re.search(r"Total Cycles:\s+(\d+)", run.stdout)[1]) / iterations


BRANCH = re.compile(r"(?:b\.\w+|b|bne|cbnz|cbz|j\w+)\s+(?:\w+,\s*)?(\.L\w+)$")


def loops(assembly, dots):
    """(function, lines of the loop, lines of a group or None) of every loop of one basic block with dot products in it."""
    function, lines, labels = "", [], {}
    for line in assembly.splitlines():
        line = line.split("//")[0].split("#")[0].strip() if not line.strip().startswith(".") else line.strip()
        if found := re.match(r"(\.L\w+|[\w.$]+):", line):
            if not found[1].startswith(".L"):
                yield from loops_of(function, lines, labels, dots)
                function, lines, labels = found[1], [], {}
            labels[found[1]] = len(lines)
        elif line and not line.startswith("."):
            lines.append(line)
    yield from loops_of(function, lines, labels, dots)


def loops_of(function, lines, labels, dots):
    branches = {i: labels.get(found[1]) for i, line in enumerate(lines) if (found := BRANCH.match(line))}
    def simple(begin, end, but=()):
        """No branch in [begin, end] but its last, and those of the loops in it."""
        return not any(begin <= i < end and i not in but for i in branches) and not any(
            re.match("ret|jmp", line) for line in lines[begin:end])
    for end, begin in branches.items():
        block = lines[begin:end + 1] if begin is not None and begin <= end else []
        if not any(dot in line for line in block for dot in dots) or not simple(begin, end):
            continue
        group, steps = None, steps_of(function)
        for outer_end, outer in branches.items():
            if outer is not None and outer < begin and outer_end > end and simple(outer, outer_end, {end}):
                group = lines[outer:begin] + steps * block + lines[end + 1:outer_end + 1]
                break
        yield function, block, group


def steps_of(function):
    """Rounds of the inner loop of qgemm_dot.hpp: 32 bits of every column each."""
    return {"Q8Block": 32, "Q4Block<128>": 16, "Q4Block<32>": 4}.get(format_of(function), 1)


def alone(lines, dot):
    """As many of the instruction, each on a register of its own as far as there are any."""
    count = sum(dot in line for line in lines)
    if dot == "vpdpbusd":
        register = "zmm" if any("zmm" in line for line in lines if dot in line) else "ymm"
        prefix = "{vex} " if register == "ymm" else ""
        return count, [f"{prefix}vpdpbusd %{register}15, %{register}14, %{register}{i % 14}" for i in range(count)]
    return count, [f"{dot} v{i % 30}.4s, v30.16b, v31.16b" for i in range(count)]


@functools.cache
def format_of(function):
    text = subprocess.check_output(["c++filt", function], text=True)
    found = re.search(r"Q8Block|Q4Block<\d+>", text)
    return found[0] if found else "other"


def main(names):
    for name in names:
        compiler, flags, triple, dots, processors = SETS[name]
        if not shutil.which(compiler):
            print(f"{name}: skipped, {compiler} was not found")
            continue
        with tempfile.TemporaryDirectory() as folder:
            out = f"{folder}/out.s"
            subprocess.run([compiler, "-std=c++20", "-O3", "-DLA_COMPILED", "-fno-exceptions", *flags, "-S", "-o", out,
                            "-idirafter", "/usr/include", str(SOURCE / "kernels/isa" / f"{name}.cpp")], check=True)
            found = list(loops(open(out).read(), dots))
        version = subprocess.check_output([MCA, "--version"], text=True)
        print(f"{name}, {compiler}, LLVM {re.search(r'version ([0-9.]+)', version)[1]}: share of the {dots[0]} pipes (multiply-adds a cycle)")
        print(f"{'':18}{'products':>9}{'others':>7}" + "".join(f"{cpu:>16}" for cpu in processors))
        rows = {}
        for function, lines, kind in [(f, l, "") for f, l, _ in found] + [(f, g, " group") for f, _, g in found if g]:
            count, ideal = alone(lines, dots[0])
            each = 32 if dots == ["smmla"] else 16 if dots == ["sdot"] else 64 if "zmm" in ideal[0] else 32
            row = ""
            for cpu in processors:
                taken = cycles(lines, triple, cpu, 200 if len(lines) < 300 else 20)
                row += f"{cycles(ideal, triple, cpu, 200 if len(lines) < 300 else 20) / taken:10.0%}{f'({count * each / taken:.0f})':>6}"
            rows[f"{format_of(function) + kind:18}{count:9}{len(lines) - count:7}{row}"] = None
        print("\n".join(sorted(rows)), flush=True)


main(sys.argv[1:] or list(SETS))
