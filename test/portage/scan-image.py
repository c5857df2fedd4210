"""What Portage's build says of the ELF files of images, with its own code: JSON on standard input and output."""
import json
import os
import subprocess
import sys

from portage.dep.soname.multilib_category import compute_multilib_category
from portage.util._dyn_libs.NeededEntry import NeededEntry
from portage.util._dyn_libs.soname_deps import SonameDepsProcessor
from portage.util.elf.header import ELFHeader


def folders_of(line):
    return [name.encode() for name in line.split(";")[1].split("/")]


def shared_objects(image, paths):
    command = ["file", "-S", "-b", "--"] + [image + path for path in paths]
    told = subprocess.run(command, stdout=subprocess.PIPE).stdout.decode("utf-8", "replace")
    return {path: "SB shared object" in line for path, line in zip(paths, told.split("\n"))}


def scanelf(image):
    """The lines of NEEDED and NEEDED.ELF.2, as `bin/misc-functions.sh:install_qa_check` takes them from scanelf."""
    command = ["scanelf", "-yRBF", "%a;%p;%S;%r;%n", f"{image}/"]
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    needed, lines = [], []
    found = output.decode("utf-8", "replace").rstrip("\n").split("\n") if output else []
    kinds = shared_objects(image, [f"/{line.split(';')[1]}" for line in found])
    for line in sorted(found, key=folders_of):
        arch, path, soname, rpath, names = line.split(";")[:5]
        path = f"/{path}"
        rpath = "" if rpath == "  -  " else rpath
        if not soname:
            soname = os.path.basename(path) if kinds[path] else ""
        needed.append(f"{path} {names}\n")
        lines.append(f"{arch.removeprefix('EM_')};{path};{soname};{rpath};{names}")
    return needed, lines


def scanned(image, provides, requires):
    needed, lines = scanelf(image)
    deps = SonameDepsProcessor(provides, requires)
    written = []
    for line in lines:
        entry = NeededEntry.parse("NEEDED.ELF.2", line)
        with open(image + entry.filename, "rb") as file:
            entry.multilib_category = compute_multilib_category(ELFHeader.read(file))
        written.append(str(entry))
        if entry.multilib_category is not None:
            deps.add(entry)
    return {
        "NEEDED": "".join(needed) or None,
        "NEEDED.ELF.2": "".join(written) or None,
        "REQUIRES": deps.requires,
        "PROVIDES": deps.provides,
    }


json.dump([scanned(*question) for question in json.load(sys.stdin)], sys.stdout)
