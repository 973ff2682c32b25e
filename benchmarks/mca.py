"""The inner loops of the integer products, as llvm-mca sees them on processors that are not at hand: the share of the
dot-product pipes that each loop keeps busy.

    python3 benchmarks/mca.py [SET...]          all sets that a compiler here makes

Each set is compiled as the library is; every loop of one basic block that holds dot products is a row. Its limit is a run of
as many of the same instruction on registers that do not depend on each other, by the same model, so a share of 100 % says
that nothing else costs a cycle (of few products, that their latency does). Memory and caches are outside the model: everything is a hit in L1.
"""
import pathlib, re, shutil, subprocess, sys, tempfile

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


def loops(assembly, dots):
    """(function, lines) of every loop of one basic block with dot products in it."""
    function, label, block = "", None, []
    for line in assembly.splitlines():
        line = line.split("//")[0].split("#")[0].strip() if not line.strip().startswith(".") else line.strip()
        if found := re.match(r"(\.L\w+|[\w.$]+):", line):
            if not found[1].startswith(".L"):
                function = found[1]
            label, block = found[1], []
        elif line and not line.startswith("."):
            block.append(line)
            target = re.match(r"(?:b\.\w+|bne|cbnz|cbz|j\w+)\s+(?:\w+,\s*)?(\.L\w+)$", line)
            if target and target[1] == label and any(dot in l for l in block for dot in dots):
                yield function, block
            if target or line.startswith(("b ", "ret", "jmp")):
                label, block = None, []


def alone(lines, dot):
    """As many of the instruction, each on a register of its own as far as there are any."""
    count = sum(dot in line for line in lines)
    if dot == "vpdpbusd":
        register = "zmm" if any("zmm" in line for line in lines if dot in line) else "ymm"
        prefix = "{vex} " if register == "ymm" else ""
        return count, [f"{prefix}vpdpbusd %{register}15, %{register}14, %{register}{i % 14}" for i in range(count)]
    return count, [f"{dot} v{i % 30}.4s, v30.16b, v31.16b" for i in range(count)]


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
        print(f"{'':14}{'products':>9}{'others':>7}" + "".join(f"{cpu:>16}" for cpu in processors))
        rows = {}
        for function, lines in found:
            count, ideal = alone(lines, dots[0])
            each = 32 if dots == ["smmla"] else 16 if dots == ["sdot"] else 64 if "zmm" in ideal[0] else 32
            row = ""
            for cpu in processors:
                taken = cycles(lines, triple, cpu)
                row += f"{cycles(ideal, triple, cpu) / taken:10.0%}{f'({count * each / taken:.0f})':>6}"
            rows[f"{format_of(function):14}{count:9}{len(lines) - count:7}{row}"] = None
        print("\n".join(sorted(rows)), flush=True)


main(sys.argv[1:] or list(SETS))
