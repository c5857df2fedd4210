#!/usr/bin/env python3
"""Resolve atoms with Portage's own resolver and print the plan as one JSON object.

usage: emerge_plan.py [--anew "@SET..."] [emerge options] ATOM|@SET...

What is in the sets of `--anew`, as Portage knows them, counts as if it were named with --usepkg-exclude and
--reinstall-atoms, which take no sets themselves.
Options, configuration root, prefix and ROOT mean what they mean to emerge(1). Standard output carries the
object and nothing else; whatever Portage prints goes to standard error. The exit status is 0 whenever an
object was printed, also when its `ok` is false.
"""

import hashlib
import json
import os
import shutil
import sys

_answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)


def _find_portage():
    """Make `import portage` work when the emerge on PATH runs from a checkout."""
    emerge = shutil.which("emerge")
    if emerge is None:
        return
    library = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(emerge))), "lib")
    if os.path.isfile(os.path.join(library, "portage", "__init__.py")):
        sys.path.insert(0, library)


_find_portage()

import portage  # noqa: E402

portage._internal_caller = True

from _emerge.actions import (  # noqa: E402
    adjust_configs,
    expand_set_arguments,
    load_emerge_config,
    profile_check,
)
from _emerge.create_depgraph_params import create_depgraph_params  # noqa: E402
from _emerge.DependencyArg import DependencyArg  # noqa: E402
from _emerge.depgraph import backtrack_depgraph  # noqa: E402
from _emerge.main import parse_opts  # noqa: E402
from _emerge.Package import Package  # noqa: E402
from portage.dep import Atom, use_reduce  # noqa: E402
from portage.exception import AmbiguousPackageName, InvalidAtom, PackageSetNotFound  # noqa: E402

from plan_problems import Problems, argument_problems  # noqa: E402

EDGE_KINDS = (
    "buildtime",
    "buildtime_slot_op",
    "installtime",
    "runtime",
    "runtime_slot_op",
    "runtime_post",
    "optional",
)
RUNTIME_KINDS = frozenset(("runtime", "runtime_slot_op", "runtime_post"))
RUNTIME_VARIABLES = (("RDEPEND", "runtime"), ("IDEPEND", "installtime"), ("PDEPEND", "runtime_post"))


class Refusal(Exception):
    """The question itself is wrong; the problem says how."""

    def __init__(self, **problem):
        super().__init__(problem["code"])
        self.problem = problem


def identity(package):
    """A name for a node that is unique within the plan."""
    text = f"{package.type_name}:{package.cpv}::{package.repo}"
    if package.type_name == "binary" and package.cpv.build_id is not None:
        text += f"#{package.cpv.build_id}"
    if package.root_config.settings["ROOT"] != "/":
        text += f"@{package.root}"
    return text


def source_digest(package):
    """SHA-256, hex, over the bytes of an ebuild, of the Manifest beside it and of its eclasses; of what is built, over
    those of the ebuild that would build it now, None when there is none any more."""
    tree = package.root_config.trees["porttree"].dbapi
    cpv = str(package.cpv)
    ebuild, location = tree.findname2(cpv, myrepo=package.repo)
    if not ebuild:
        return None
    try:
        inherited = sorted(set(tree.aux_get(cpv, ["INHERITED"], myrepo=package.repo)[0].split()))
    except KeyError:
        return None
    eclasses = tree.repositories.get_repo_for_location(location).eclass_db
    known = {} if eclasses is None else eclasses.eclasses
    places = [known[name].location for name in inherited if name in known]
    digest = hashlib.sha256()
    for place in (ebuild, os.path.join(os.path.dirname(ebuild), "Manifest"), *places):
        content = b""
        if os.path.exists(place):
            with open(place, "rb") as file:
                content = file.read()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()


def build_dependencies(graph, package):
    """The packages that an ebuild is built with, installed ones too."""
    return [
        child
        for child, kinds, _ in graph_edges(graph, package)
        if any(kind.startswith("buildtime") for kind in kinds)
    ]


def is_outdated(package):
    """Whether there is a binary of an installed package, of the same version, that was built at another time."""
    binaries = package.root_config.trees["bintree"].dbapi
    times = [
        int(binaries.aux_get(cpv, ["BUILD_TIME"])[0] or 0)
        for cpv in binaries.match(Atom(f"={package.cpv}::{package.repo}"))
    ]
    return bool(times) and max(times) != package.build_time


def describe(graph, package, requested):
    built_with = build_dependencies(graph, package) if package.type_name == "ebuild" else []
    return {
        "id": identity(package),
        "type": package.type_name,
        "cpv": str(package.cpv),
        "slot": f"{package.slot}/{package.sub_slot}" if package.slot != package.sub_slot else package.slot,
        "repo": str(package.repo),
        "use": sorted(package.use.enabled),
        "buildId": package.cpv.build_id if package.built else None,
        "buildTime": package.build_time if package.built else None,
        "requested": requested,
        "source": source_digest(package),
        "builtWith": [
            {
                "cpv": str(child.cpv),
                "slot": child.slot,
                "isOutdated": bool(child.installed and is_outdated(child)),
            }
            for child in sorted(built_with)
        ],
    }


class InstalledClosure:
    """What is installed already and needed at run time by what will be merged, found through the built
    dependencies that Portage recorded."""

    def __init__(self, graph, merge):
        self._tracker = graph._dynamic_config._package_tracker
        self.packages = {}
        self.edges = []
        self._queue = []
        self._merged = {identity(package) for package in merge}

    def add(self, package):
        name = identity(package)
        if name not in self._merged and name not in self.packages:
            self.packages[name] = package
            self._queue.append(package)

    def follow(self):
        while self._queue:
            package = self._queue.pop()
            for variable, kind in RUNTIME_VARIABLES:
                for needed in self._needs(package, variable):
                    self.edges.append((identity(package), identity(needed), (kind,)))
                    self.add(needed)

    def _needs(self, package, variable):
        text = package._metadata.get(variable, "")
        if not text.strip():
            return []
        try:
            tree = use_reduce(
                text, uselist=package.use.enabled, opconvert=True, token_class=Atom, eapi=package.eapi
            )
        except portage.exception.InvalidDependString:
            return []
        return self._matches(package.root, tree) or []

    def _matches(self, root, tree):
        """The packages that satisfy a list of dependencies, or None when one is not satisfied."""
        found = []
        complete = True
        for part in tree:
            here = self._match_one(root, part)
            complete = complete and here is not None
            found.extend(here or [])
        return found if complete or found else None

    def _match_one(self, root, part):
        if isinstance(part, list):
            if part and part[0] in ("||", "^^", "??"):
                return self._match_any(root, part[1:])
            return self._matches(root, part)
        if part.blocker:
            return []
        matches = list(self._tracker.match(root, part))
        return [max(matches)] if matches else None

    def _match_any(self, root, alternatives):
        for alternative in alternatives:
            found = self._match_one(root, alternative)
            if found:
                return found
        return None


def kinds_of(priorities):
    return tuple(kind for kind in EDGE_KINDS if any(getattr(priority, kind, None) for priority in priorities))


def is_satisfied(priorities):
    """Whether something installed does for a package to be built, so that it need not wait for the new one."""
    needed = [priority for priority in priorities if getattr(priority, "buildtime", None)]
    return bool(needed) and all(getattr(priority, "satisfied", None) for priority in needed)


def graph_edges(graph, package):
    """(child, kinds, satisfied) of what a package of the graph needs."""
    nodes = graph._dynamic_config.digraph.nodes
    if package not in nodes:
        return
    children, _, _ = nodes[package]
    for child, priorities in children.items():
        if isinstance(child, Package) and child is not package:
            yield child, kinds_of(priorities), is_satisfied(priorities)


def is_requested(graph, node, arguments):
    """Whether an argument names a package, itself or by a set, or by a set within a set as @world has them."""
    nodes = graph._dynamic_config.digraph.nodes
    if node not in nodes:
        return False
    _, parents, _ = nodes[node]
    return any(
        parent.arg in arguments or is_requested(graph, parent, arguments)
        for parent in parents
        if isinstance(parent, DependencyArg)
    )


def collect(graph, arguments):
    """(packages, edges) of a graph that could be resolved."""
    merge = [
        node for node in graph.altlist() if isinstance(node, Package) and node.operation == "merge"
    ]
    closure = InstalledClosure(graph, merge)
    # With --update, what was asked for may be installed as it should be: then it is part of the answer all the same.
    asked = set()
    for node in graph._dynamic_config.digraph:
        if isinstance(node, Package) and node.installed and is_requested(graph, node, arguments):
            asked.add(identity(node))
            closure.add(node)
    edges = []
    satisfied = set()
    for package in merge:
        for child, kinds, is_there in graph_edges(graph, package):
            edges.append((identity(package), identity(child), kinds))
            if is_there:
                satisfied.add((identity(package), identity(child)))
            if child.installed and RUNTIME_KINDS.intersection(kinds):
                closure.add(child)
    closure.follow()
    packages = [describe(graph, package, is_requested(graph, package, arguments)) for package in merge]
    packages += [describe(graph, package, name in asked) for name, package in sorted(closure.packages.items())]
    known = {package["id"] for package in packages}
    listed = {}
    for start, end, kinds in edges + closure.edges:
        if start in known and end in known:
            listed.setdefault((start, end), set()).update(kinds)
    return packages, [
        {
            "from": start,
            "to": end,
            "kinds": [kind for kind in EDGE_KINDS if kind in kinds],
            **({"satisfied": True} if (start, end) in satisfied else {}),
        }
        for (start, end), kinds in listed.items()
    ]


def split_anew(argv):
    """(words for emerge, names of sets that follow --anew)."""
    if "--anew" not in argv:
        return argv, []
    place = argv.index("--anew")
    return argv[:place] + argv[place + 2 :], argv[place + 1].split()


def packages_of_sets(root_config, sets):
    """category/name of all that is in sets, and in the sets within them. Raises PackageSetNotFound."""
    names = set()
    for name in sets:
        for atom in root_config.setconfig.getSetAtoms(name.lstrip("@")):
            names.add(str(getattr(atom, "cp", atom)))
    return sorted(names)


def prepare(argv):
    """(action, options, arguments, configuration) as emerge itself would have them before resolving."""
    words, anew = split_anew(argv)
    action, options, arguments = parse_opts(words, silent=True)
    options["--pretend"] = True
    options.pop("--ask", None)
    config = load_emerge_config(action=action, args=arguments, opts=options)
    for option in ("--usepkg-exclude", "--reinstall-atoms") if anew else ():
        options[option] = [*options.get(option, []), *packages_of_sets(config.target_config, anew)]
    if options.get("--getbinpkgonly"):
        options["--getbinpkg"] = options["--usepkgonly"] = True
    if options.get("--getbinpkg") or options.get("--usepkgonly"):
        options["--usepkg"] = True
    if options.get("--usepkg"):
        for tree in config.trees.values():
            tree["bintree"].populate(
                getbinpkgs=options.get("--getbinpkg") is True, getbinpkg_refresh=True, pretend=True
            )
    adjust_configs(options, config.trees)
    if profile_check(config.trees, action) != os.EX_OK:
        raise Refusal(code="no-profile")
    expanded, status = expand_set_arguments(arguments, action, config.target_config)
    if status != os.EX_OK:
        raise Refusal(code="unknown-set", set=" ".join(argument for argument in arguments if argument.startswith("@")))
    return action, options, expanded, config


def resolve(configuration):
    """(ok, graph) for what `prepare` made."""
    action, options, arguments, config = configuration
    parameters = create_depgraph_params(options, action)
    settings = config.target_config.settings
    ok, graph, _ = backtrack_depgraph(settings, config.trees, options, parameters, action, arguments, None)
    return bool(ok), graph


def problems_of(graph, configuration):
    """Why this graph could not be resolved. Where that is a mask, all that would have to be unmasked, at any depth,
    is found by letting the resolver unmask for itself."""
    action, options, arguments, config = configuration
    found = [*argument_problems(arguments), *Problems(graph, config.trees).all()]
    if any(problem["code"] == "masked" for problem in found):
        unmasked = {**options, "--autounmask": True, "--autounmask-license": "y", "--autounmask-keep-masks": "n"}
        _, other = resolve((action, unmasked, arguments, config))
        if other.need_config_change():
            found = Problems(other, config.trees).all() or found
    return found or [{"code": "unresolved"}]


def plan(argv):
    answer = {"ok": False, "portage": str(portage.VERSION), "chost": "", "packages": [], "edges": [], "problems": []}
    try:
        configuration = prepare(argv)
        _, _, arguments, config = configuration
        answer["chost"] = config.target_config.settings.get("CHOST", "")
        answer["ok"], graph = resolve(configuration)
        if answer["ok"]:
            answer["packages"], answer["edges"] = collect(graph, set(arguments))
        else:
            graph.display_problems()
            answer["problems"] = problems_of(graph, configuration)
    except Refusal as refusal:
        answer["problems"] = [refusal.problem]
    except PackageSetNotFound as missing:
        answer["problems"] = [{"code": "unknown-set", "set": f"@{missing.value}"}]
    except AmbiguousPackageName as ambiguous:
        names = [str(name) for name in ambiguous.args[0]]
        answer["problems"] = [{"code": "ambiguous-name", "packages": names}]
    except InvalidAtom as invalid:
        answer["problems"] = [{"code": "invalid-atom", "atom": str(invalid)}]
    return answer


if __name__ == "__main__":
    json.dump(plan(sys.argv[1:]), _answer)
    _answer.write("\n")
    _answer.flush()
