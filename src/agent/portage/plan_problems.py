"""What stands in the way of a plan, as data: read from the resolver's own records, never from what it prints.

Every problem is a dictionary with a `code`; `gentoo/plan-problem.ts` has the shapes and makes the sentences. `fixes`
are lines for files of /etc/portage, as `package.use`, each of which would do away with the problem or a part of it.
"""

from itertools import combinations

import portage
from _emerge.is_valid_package_atom import is_valid_package_atom
from _emerge.Package import Package
from _emerge.resolver.circular_dependency import circular_dependency_handler
from portage._sets import SETPREFIX
from portage.dep import check_required_use, get_required_use_flags, human_readable_required_use
from portage.package.ebuild.config import config
from portage.package.ebuild.getmaskingstatus import _getmaskingstatus

MOST_CANDIDATES = 3
MOST_NAMED = 50
# How many flags may be changed together to fulfil a REQUIRED_USE, and among how many.
MOST_CHANGES = 2
MOST_FLAGS = 12

MASK_KINDS = {
    "package.mask": "package-mask",
    "KEYWORDS": "keywords",
    "LICENSE": "license",
    "PROPERTIES": "properties",
    "RESTRICT": "restrict",
    "EAPI": "eapi",
}


def named(package):
    """`category/pf::repository`; None for what is no package, as an argument."""
    return f"{package.cpv}::{package.repo}" if isinstance(package, Package) else None


def fix(file, line):
    return {"file": file, "line": line}


def use_words(changes):
    return " ".join(flag if enabled else f"-{flag}" for flag, enabled in sorted(changes))


def use_fix(package, changes):
    return fix("package.use", f">={package.cpv} {use_words(changes)}")


def mask_fixes(cpv, reason):
    kind, hint = MASK_KINDS.get(reason.category), reason.unmask_hint
    if kind == "package-mask":
        yield fix("package.unmask", f"={cpv}")
    elif kind == "keywords" and hint is not None:
        yield fix("package.accept_keywords", f"={cpv} {hint.value}")
    elif kind == "license" and hint is not None:
        yield fix("package.license", f"={cpv} {' '.join(sorted(hint.value))}")
    elif kind == "properties":
        yield fix("package.properties", f"={cpv} {' '.join(reason.message.split()[:-1])}")
    elif kind == "restrict":
        yield fix("package.accept_restrict", f"={cpv} {' '.join(reason.message.split()[:-2])}")


def mask_value(cpv, reason, settings, portdb):
    """What the mask is about: the keyword, the license, the EAPI; of package.mask what its authors wrote above it."""
    if reason.category == "package.mask":
        comment = portage.getmaskingreason(cpv, settings=settings, portdb=portdb) or ""
        return " ".join(line.lstrip("# ") for line in comment.splitlines()).strip()[:500]
    if reason.category == "LICENSE" and reason.unmask_hint is not None:
        return " ".join(sorted(reason.unmask_hint.value))
    words = reason.message.split()
    if reason.category == "KEYWORDS":
        return words[0]
    return words[-1] if reason.category == "EAPI" else reason.message


class Problems:
    """The problems of one graph that could not be resolved."""

    def __init__(self, graph, trees):
        self._graph = graph
        self._dynamic = graph._dynamic_config
        self._trees = trees

    def all(self):
        found = [
            *self._unsatisfied(),
            *self._circular(),
            *self._configuration(),
            *self._slot_conflicts(),
            *self._blockers(),
        ]
        return [problem for place, problem in enumerate(found) if problem not in found[:place]]

    def _use_of(self, package):
        return frozenset(self._graph._pkg_use_enabled(package))

    def _parents(self, package):
        return self._dynamic._parent_atoms.get(package, ())

    def _needed_by(self, package):
        names = {named(parent) for parent, _ in self._parents(package)} - {None}
        return min(names) if names else None

    def _unsatisfied(self):
        for (root, atom), context in self._dynamic._unsatisfied_deps_for_display:
            parent = context.get("myparent")
            wanted = {"atom": str(getattr(atom, "unevaluated_atom", atom)), "neededBy": named(parent)}
            package = context.get("show_req_use")
            if package is not None:
                yield self._required_use(package, named(parent))
            elif not atom.package:
                yield {"code": "no-such-package", **wanted}
            else:
                yield from self._why_not(root, atom, parent, wanted)

    def _why_not(self, root, atom, parent, wanted):
        portdb = self._trees[root]["porttree"].dbapi
        candidates = list(self._candidates(root, atom))
        if not candidates:
            yield {"code": "no-such-package", **wanted}
            return
        settings = config(clone=portdb.settings)
        masked, wrong_use = [], []
        for package in candidates:
            reasons = _getmaskingstatus(package, settings, portdb, package.repo)
            if reasons:
                masked.append((package, reasons))
            elif not self._required_use_holds(package, self._use_of(package)):
                yield self._required_use(package, wanted["neededBy"])
                return
            else:
                wrong_use.append(package)
        if wrong_use and atom.unevaluated_atom.use:
            yield self._wrong_use(wrong_use[0], atom, parent, wanted)
        elif masked and not wrong_use:
            yield self._masked(masked, settings, portdb, wanted)
        else:
            yield {"code": "unusable", **wanted, "packages": [named(package) for package in wrong_use[:MOST_NAMED]]}

    def _candidates(self, root, atom):
        """Ebuilds that the atom means, whatever their USE flags, the newest first."""
        trees = self._trees[root]
        portdb = trees["porttree"].dbapi
        root_config = self._graph._frozen_config.roots[root]
        for cpv in reversed(portdb.xmatch("match-all-cpv-only", atom.without_use)):
            for repo in [atom.repo] if atom.repo else portdb.getRepositories(catpkg=cpv.cp):
                if not portdb.cpv_exists(cpv, myrepo=repo):
                    continue
                package = self._graph._pkg(cpv, "ebuild", root_config, myrepo=repo)
                if atom.without_use.match(package):
                    yield package

    def _masked(self, masked, settings, portdb, wanted):
        shown, fixes = [], []
        for package, reasons in masked[:MOST_CANDIDATES]:
            said = []
            for reason in reasons:
                kind = MASK_KINDS.get(reason.category, "other")
                said.append({"kind": kind, "value": mask_value(package.cpv, reason, settings, portdb)})
            shown.append({"package": named(package), "reasons": said})
        best, reasons = masked[0]
        every = [list(mask_fixes(best.cpv, reason)) for reason in reasons]
        if all(every):
            fixes = [line for lines in every for line in lines]
        return {
            "code": "masked",
            **wanted,
            "candidates": shown,
            "more": max(0, len(masked) - MOST_CANDIDATES),
            "fixes": fixes,
        }

    def _wrong_use(self, package, atom, parent, wanted):
        missing = sorted(package.iuse.get_missing_iuse(atom.unevaluated_atom.use.required))
        if missing:
            return {"code": "no-such-flag", **wanted, "package": named(package), "flags": missing}
        use = self._use_of(package)
        changes = {(flag, True) for flag in (atom.use.enabled - use) & package.iuse.all}
        changes |= {(flag, False) for flag in (atom.use.disabled & use) & package.iuse.all}
        fixed = sorted(flag for flag, _ in changes if flag in package.use.mask | package.use.force)
        return self._use_change(package, changes, fixed, wanted)

    def _use_change(self, package, changes, fixed, wanted):
        after = self._use_of(package).union(flag for flag, enabled in changes if enabled)
        after = after.difference(flag for flag, enabled in changes if not enabled)
        return {
            "code": "use-change",
            **wanted,
            "package": named(package),
            "flags": use_words(changes).split(),
            "fixedFlags": fixed,
            "breaksRequiredUse": not self._required_use_holds(package, after),
            "fixes": [] if fixed or not changes else [use_fix(package, changes)],
        }

    def _required_use_holds(self, package, use):
        text = package._metadata.get("REQUIRED_USE", "")
        return not text or bool(
            check_required_use(text, use, package.iuse.is_valid_flag, eapi=package.eapi)
        )

    def _required_use(self, package, needed_by):
        text = package._metadata["REQUIRED_USE"]
        use = self._use_of(package)
        broken = check_required_use(text, use, package.iuse.is_valid_flag, eapi=package.eapi)
        return {
            "code": "required-use",
            "package": named(package),
            "neededBy": needed_by,
            "constraint": human_readable_required_use(broken.tounicode())[:2000],
            "alternatives": [use_fix(package, changes) for changes in self._ways_to_hold(package, text, use)],
        }

    def _ways_to_hold(self, package, text, use):
        """The smallest changes of USE with which REQUIRED_USE holds."""
        flags = get_required_use_flags(text, eapi=package.eapi)
        free = sorted(flags - package.use.mask - package.use.force)[:MOST_FLAGS]
        for count in range(1, MOST_CHANGES + 1):
            ways = []
            for chosen in combinations(free, count):
                if self._required_use_holds(package, use.symmetric_difference(chosen)):
                    ways.append([(flag, flag not in use) for flag in chosen])
            if ways:
                return ways[:MOST_CANDIDATES]
        return []

    def _circular(self):
        circular = self._dynamic._circular_deps_for_display
        if circular is None:
            return
        handler = circular_dependency_handler(self._graph, circular)
        cycle = [node for node in handler.shortest_cycle or () if isinstance(node, Package)]
        fixes = []
        for child, ways in (handler.solutions or {}).items():
            # Each way changes the package before this one in the circle, which needs it.
            parent = cycle[cycle.index(child) - 1]
            fixes += [use_fix(parent, way) for way in sorted(ways, key=use_words)]
        yield {
            "code": "cycle",
            "packages": [named(package) for package in cycle[:MOST_NAMED]],
            "alternatives": fixes[:MOST_NAMED],
        }

    def _configuration(self):
        """What the resolver has changed for itself to find a way (autounmask)."""
        dynamic = self._dynamic
        masked = {*dynamic._needed_unstable_keywords, *dynamic._needed_p_mask_changes, *dynamic._needed_license_changes}
        for package in sorted(masked):
            if package in dynamic.digraph:
                portdb = package.root_config.trees["porttree"].dbapi
                settings = config(clone=portdb.settings)
                reasons = _getmaskingstatus(package, settings, portdb, package.repo)
                wanted = {"atom": self._atom_of(package), "neededBy": self._needed_by(package)}
                yield self._masked([(package, reasons)], settings, portdb, wanted)
        for package, (use, changes) in dynamic._needed_use_config_changes.items():
            if package in dynamic.digraph:
                wanted = {"atom": self._atom_of(package, with_use=True), "neededBy": self._needed_by(package)}
                yield self._use_change(package, set(changes.items()), [], wanted)

    def _atom_of(self, package, with_use=False):
        """How the package was asked for; of a package's atoms rather than of the request's own."""
        atoms = [
            (named(parent) is None, str(atom))
            for parent, atom in self._parents(package)
            if atom.package and (atom.use or not with_use)
        ]
        return min(atoms)[1] if atoms else f"={package.cpv}"

    def _slot_conflicts(self):
        for conflict in self._dynamic._package_tracker.slot_conflicts():
            packages = sorted(conflict.pkgs)
            yield {
                "code": "slot-conflict",
                "slot": str(conflict.atom),
                "packages": [
                    {"package": named(package), "wantedBy": self._wanted_by(package, packages)}
                    for package in packages[:MOST_NAMED]
                ],
            }

    def _wanted_by(self, package, rivals):
        """Who needs this package and could not do with one of the others."""
        others = [rival for rival in rivals if rival is not package]
        found = set()
        for parent, atom in self._parents(package):
            if not all(atom.match(other) for other in others):
                found.add((named(parent) or "", str(atom)))
        return [{"by": by or None, "atom": atom} for by, atom in sorted(found)[:MOST_CANDIDATES]]

    def _blockers(self):
        for blocker in self._dynamic._unsatisfied_blockers_for_display or ():
            parents = self._dynamic._blocker_parents.parent_nodes(blocker)
            if blocker in self._dynamic._blocked_pkgs:
                blocked = self._dynamic._blocked_pkgs.child_nodes(blocker)
            else:
                blocked = []
            yield {
                "code": "blocker",
                "atom": str(blocker.atom),
                "isHard": bool(blocker.atom.blocker.overlap.forbid),
                "by": sorted({named(parent) for parent in parents} - {None})[:MOST_NAMED],
                "blocked": [
                    {"package": named(package), "isInstalled": bool(package.installed)}
                    for package in sorted(set(blocked))[:MOST_NAMED]
                ],
            }


def argument_problems(arguments):
    for argument in arguments:
        if not argument.startswith(SETPREFIX) and not is_valid_package_atom(argument, allow_repo=True):
            yield {"code": "invalid-atom", "atom": argument}
