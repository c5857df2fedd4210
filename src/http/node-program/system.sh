
# What this node is besides its packages: release of the web application, kernel, boot, processor, and the services that
# run with the files that they execute. Formats: proc(5), CONTENTS of portage/dbapi/vartree.py.

# plain TEXT: as it may stand in a JSON string; what would have to be escaped is dropped.
plain() { printf '%s' "$1" | tr -cd ' !#-[]-~'; }

# The processes that are services, a line "name TAB tree TAB path TAB 0 or 1 (deleted)" for each file that one of them
# executes, and "! TAB partial" when one could not be looked into. A service has no terminal, and no login, cron job or
# this program has started it. Lines of stat(5) of all processes come in. Files of processes are read by cat: one that ends meanwhile
# makes some an awk end as well, and then most services would be missing.
mapped_files() {
  awk -v proc="$1" -v self="$$" -v trees="$2/" '
    function ancestor_says_no(pid,    up, steps) {
      up = parent[pid]
      for (steps = 0; up > 0 && steps < 100; steps++) {
        if (up == self) return 1
        if ((name[up] in logins) && name[up] != name[pid]) return 1
        up = parent[up]
      }
      return 0
    }
    function read_stat(line,    pid, at, part) {
      if (line !~ /^[0-9]+ \(/) return
      pid = line + 0
      at = length(line)
      while (at > 0 && substr(line, at, 1) != ")") at--
      split(substr(line, at + 2), part, " ")
      name[pid] = substr(line, index(line, "(") + 1, at - index(line, "(") - 1)
      gsub(/[^ -~]|["\\]/, "", name[pid])
      state[pid] = part[1]
      parent[pid] = part[2]
      terminal[pid] = part[5]
      pids[++total] = pid
    }
    function is_alive(pid,    command, line, got) {
      command = "cat \"" proc "/" pid "/stat\" 2> /dev/null"
      got = (command | getline line)
      close(command)
      return got > 0 && line !~ /\) [ZX] [^)]*$/
    }
    function read_maps(pid,    command, line, failed, path, deleted, tree, count, i, files) {
      command = "cat \"" proc "/" pid "/maps\" 2> /dev/null || echo !"
      tree = ""
      count = 0
      failed = 0
      while ((command | getline line) > 0) {
        if (line == "!") failed = 1
        if (line !~ /^[^ ]+ ..x/) continue
        if (!match(line, /\/.*$/)) continue
        path = substr(line, RSTART)
        deleted = sub(/ \(deleted\)$/, "", path)
        if ((path ~ /^\/(dev\/|memfd:|SYSV|proc\/|\[)|\/$/ && path !~ /^\/dev\/shm\//) || path ~ /[^ -~]|["\\]/) continue
        files[++count] = path "\t" (deleted ? 1 : 0)
        if (index(path, trees) == 1 && path ~ /\/sbin\/php-fpm$/) {
          tree = substr(path, length(trees) + 1)
          sub(/\/sbin\/php-fpm$/, "", tree)
        }
      }
      close(command)
      if (failed && !is_alive(pid)) return 1
      if (failed) return 0
      if (tree !~ /^[a-z0-9][a-z0-9._-]*$/) tree = ""
      if (count == 0) print name[pid] "\t" tree "\t\t0"
      for (i = 1; i <= count; i++) print name[pid] "\t" tree "\t" files[i]
      return 1
    }
    BEGIN {
      split("sshd sshd-session dropbear cron crond fcron anacron atd login agetty su sudo doas screen SCREEN tmux", list, " ")
      for (i in list) logins[list[i]] = 1
      split("screen SCREEN tmux ssh-agent gpg-agent dirmngr keyboxd scdaemon agetty login", list, " ")
      for (i in list) personal[list[i]] = 1
    }
    { read_stat($0) }
    END {
      for (i = 1; i <= total; i++) {
        pid = pids[i]
        if (pid == 2 || parent[pid] == 2 || pid == self || terminal[pid] != 0 || state[pid] == "Z") continue
        if (name[pid] == "" || (name[pid] in personal) || name[pid] ~ /^tmux/ || ancestor_says_no(pid)) continue
        # A process that is ending has no maps any more, and is not gone yet.
        for (tries = partial ? 3 : 1; !read_maps(pid); tries++) {
          if (tries == 3) {
            partial = 1
            print "!\tpartial"
            print name[pid] "\t\t\t0"
            break
          }
          system("sleep 0.1 2> /dev/null || sleep 1")
        }
      }
    }'
}

# The services as a JSON list, from the sorted lines of mapped_files in a file; which package owns a file is looked up in the
# CONTENTS files that follow. Where /lib and /usr/lib are one, a package may have called the file by its other name.
services_json() {
  awk '
    function other(path, name) { if (!(name in wanted)) alias[name] = path }
    function aliases(path,    rest) {
      if (path ~ /^\/usr\/(bin|sbin|lib|lib32|lib64)\//) { rest = substr(path, 5); other(path, rest) } else rest = path
      if (rest ~ /^\/(bin|sbin|lib|lib32|lib64)\//) other(path, "/usr" rest)
      if (rest ~ /^\/bin\//) { sub(/^\/bin/, "/sbin", rest); other(path, rest); other(path, "/usr" rest) }
    }
    NR == FNR {
      count++
      split($0, field, "\t")
      group[count] = field[1] "\t" field[2]
      file[count] = field[3]
      gone[count] = field[4]
      if (field[3] != "") wanted[field[3]] = 1
      next
    }
    FNR == 1 {
      if (!prepared++) for (path in wanted) aliases(path)
      parts = split(FILENAME, folder, "/")
      cpv = folder[parts - 2] "/" folder[parts - 1]
    }
    $1 == "obj" {
      if ($2 in wanted) owner[$2] = cpv
      else if ($2 in alias) second[alias[$2]] = cpv
    }
    END {
      printf "["
      for (i = 1; i <= count; i++) {
        if (group[i] != group[i - 1] || i == 1) {
          split(group[i], of, "\t")
          printf "%s\n{\"name\":\"%s\",\"tree\":%s,\"files\":[", (i > 1 ? "]}," : ""), of[1], (of[2] == "" ? "null" : "\"" of[2] "\"")
          between = ""
        }
        path = file[i]
        if (path == "" || (group[i] == group[i + 1] && path == file[i + 1])) continue
        cpv = (path in owner) ? owner[path] : (path in second) ? second[path] : ""
        printf "%s{\"path\":\"%s\",\"cpv\":%s,\"isDeleted\":%s}", between, path, (cpv == "" ? "null" : "\"" cpv "\""), (gone[i] ? "true" : "false")
        between = ","
      }
      print (count ? "]}]" : "]")
    }' FS='[ ]' "$@"
}

# The names of installed kernels as JSON strings: as `uname -r` would say them.
kernels_json() {
  for place in "$1"/lib/modules/* "$1"/usr/lib/modules/*; do
    [ -e "$place/modules.dep" ] || [ -d "$place/kernel" ] || continue
    printf '%s\n' "${place##*/}"
  done > "$work/kernels"
  for place in "$1"/boot/vmlinuz-* "$1"/boot/kernel-* "$1"/boot/bzImage-*; do
    [ -f "$place" ] || continue
    name=${place##*/}
    name=${name#*-}
    case $name in
      *.old | *.sig | *.png) continue ;;
      genkernel-*) name=${name#genkernel-*-} ;;
    esac
    printf '%s\n' "$name"
  done >> "$work/kernels"
  sort -u "$work/kernels" | head -n 100 | awk '!/[^ -~]|["\\]/ { printf "%s\"%s\"", (count++ ? "," : ""), $0 }'
}

# The releases of the web application as JSON objects: rookery-step knows them, or they lie in a folder, each with a
# file .digest.
releases_json() {
  if [ -x "$1$PREFIX/usr/local/sbin/rookery-step" ]; then
    "$1$PREFIX/usr/local/sbin/rookery-step" releases 2> "$work/log" ||
      warn "rookery-step says nothing about releases: $(tail -n 1 "$work/log")"
  else
    releases=
    [ ! -f "$1$PREFIX/etc/rookery/step.conf" ] || releases=$(setting releases "$1$PREFIX/etc/rookery/step.conf")
    for place in "$1${releases:-/srv/app/releases}"/*/.digest; do
      [ -f "$place" ] || continue
      name=${place%/.digest}
      printf '%s %s\n' "${name##*/}" "$(head -n 1 "$place" | cut -c1-200)"
    done
  fi | head -n 200 | awk 'NF == 2 && !/[^ -~]|["\\]/ { printf "%s{\"release\":\"%s\",\"digest\":\"%s\"}", (count++ ? "," : ""), $1, $2 }'
}

# Writes the JSON object to $work/system; nothing where /proc does not say what it should.
system_json() {
  root=${ROOKERY_ROOT:-}
  proc=/proc
  [ ! -d "$root/proc/1" ] || proc=$root/proc
  [ -r "$proc/cpuinfo" ] || return 0
  { cat "$proc"/[0-9]*/stat 2> /dev/null || true; } |
    mapped_files "$proc" "$root$PREFIX/opt/php" | sort -u > "$work/mapped"
  partial=false
  if grep -q '^!' "$work/mapped"; then partial=true; fi
  grep -v '^!' "$work/mapped" > "$work/services" || true
  set -- "$root$PREFIX"/var/db/pkg/*/[!-]*/CONTENTS
  [ -e "$1" ] || set --
  active=
  [ ! -f "$root$PREFIX/var/lib/rookery/step/release" ] ||
    active=$(plain "$(head -n 1 "$root$PREFIX/var/lib/rookery/step/release" | cut -d ' ' -f 1)")
  boot_id=
  [ ! -r "$proc/sys/kernel/random/boot_id" ] || boot_id=$(plain "$(cat "$proc/sys/kernel/random/boot_id")")
  cpu=$(sed -n -e '/^flags[[:blank:]]*:/{p;q;}' -e '/^Features[[:blank:]]*:/{p;q;}' "$proc/cpuinfo" | tr '\t' ' ')
  {
    printf '{"release":%s,"releases":[%s],' "$(if [ -n "$active" ]; then printf '"%s"' "$active"; else printf null; fi)" \
      "$(releases_json "$root")"
    printf '"kernel":{"running":"%s","installed":[%s]},' "$(plain "$(uname -r)")" "$(kernels_json "$root")"
    printf '"bootId":"%s","cpuinfo":"%s","isPartial":%s,"services":' "$boot_id" "$(plain "$cpu")" "$partial"
    if [ -s "$work/services" ]; then services_json "$work/services" "$@"; else say '[]'; fi
    printf '}\n'
  } > "$work/system"
}
