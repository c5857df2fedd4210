"""Answers questions about the language of Gentoo with Portage's own code: JSON on standard input and output."""
import io
import json
import os
import sys
import tempfile

import portage
from portage.dep import Atom, match_from_list, paren_enclose, use_reduce
from portage.exception import InvalidAtom, InvalidDependString
from portage.util import getconfig
from portage.versions import _pkg_str, catpkgsplit, vercmp


class Flags:
    def __init__(self, enabled):
        self.enabled = frozenset(enabled)


class Iuse:
    def __init__(self, flags):
        self.flags = frozenset(flags)

    def is_valid_flag(self, flags):
        return flags in self.flags if isinstance(flags, str) else self.flags.issuperset(flags)


class Package:
    def __init__(self, candidate):
        cpv = _pkg_str(candidate["cpv"], slot=candidate["slot"], repo=candidate["repo"])
        self.cpv = cpv
        self.cp, self.version, self.cpv_split = cpv.cp, cpv.version, cpv.cpv_split
        self.slot, self.sub_slot, self.repo = cpv.slot, cpv.sub_slot, cpv.repo
        self.use, self.iuse = Flags(candidate["use"]), Iuse(candidate["iuse"])


def orders(versions):
    sign = {True: ">", False: "<"}
    def one(a, b):
        order = vercmp(a, b)
        return "=" if order == 0 else sign[order > 0]
    return ["".join(one(a, b) for b in versions) for a in versions]


def is_atom(text, eapi):
    try:
        if eapi is None:
            Atom(text, allow_wildcard=True, allow_repo=True, allow_build_id=False)
        else:
            Atom(text, eapi=eapi)
        return True
    except InvalidAtom:
        return False


def matches(atom, candidates):
    found = match_from_list(Atom(atom, allow_wildcard=True, allow_repo=True), candidates)
    return [candidate in found for candidate in candidates]


def reduced(text, use, eapi):
    try:
        return paren_enclose(use_reduce(text, uselist=use, eapi=eapi))
    except InvalidDependString:
        return None


def evaluated(atom, use):
    return str(Atom(atom).evaluate_conditionals(frozenset(use)))


def decided(atom, use, candidates):
    found = match_from_list(Atom(atom).evaluate_conditionals(frozenset(use)), candidates)
    return [candidate in found for candidate in candidates]


def reduced_atoms(text, use):
    """As the index of a PKGDIR has it, `portage/dbapi/bintree.py:_eval_use_flags`."""
    try:
        return paren_enclose(use_reduce(" ".join(text.split()), uselist=use, token_class=Atom))
    except InvalidDependString:
        return None


def is_valid(text, eapi):
    """As emerge checks it, `_emerge/Package.py:_validate_deps`."""
    try:
        use_reduce(text, eapi=eapi, matchall=True, token_class=Atom, flat=True)
        return True
    except InvalidDependString:
        return False


def index(header, packages):
    with tempfile.TemporaryDirectory() as root:
        settings = portage.config(
            config_profile_path="", config_root=root, target_root=root, eprefix="", env={}
        )
        from portage.dbapi.bintree import binarytree

        tree = binarytree(pkgdir=os.path.join(root, "pkgs"), settings=settings)
        written = tree._new_pkgindex()
        written.modified = False
        written.header.update(header)
        written.packages = packages
        text = io.StringIO()
        written.write(text)
        again = tree._new_pkgindex()
        again.read(io.StringIO(text.getvalue()))
        return {"text": text.getvalue(), "entries": again.packages}


def settings(text):
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".conf") as file:
        file.write(text)
        file.flush()
        return getconfig(file.name)


question = json.load(sys.stdin)
candidates = [Package(one) for one in question["candidates"]]
json.dump(
    {
        "orders": orders(question["versions"]),
        "cpvs": [catpkgsplit(cpv) for cpv in question["cpvs"]],
        "atoms": [is_atom(text, eapi) for text, eapi in question["atoms"]],
        "matches": [matches(atom, candidates) for atom in question["matches"]],
        "evaluated": [evaluated(atom, use) for atom, use in question["evaluated"]],
        "decided": [decided(atom, use, candidates) for atom, use in question["decided"]],
        "reduced": [reduced(*one) for one in question["reduced"]],
        "reducedAtoms": [reduced_atoms(*one) for one in question["reducedAtoms"]],
        "valid": [is_valid(*one) for one in question["valid"]],
        "index": index(question["header"], question["packages"]),
        "settings": settings(question["settings"]),
    },
    sys.stdout,
)
