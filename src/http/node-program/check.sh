
# The names of the checks to run, a line each. Others than root could otherwise decide what runs as root.
list_checks() {
  for file in "$checks_folder"/*; do
    [ -f "$file" ] && [ -x "$file" ] || continue
    name=${file##*/}
    case $name in
      *[!A-Za-z0-9_-]*) warn "$file is passed over: its name has other characters than letters, digits, _ and -" ;;
      *)
        if [ -n "$(find -L "$file" -prune \( -perm -0020 -o -perm -0002 \))" ]; then
          warn "$file is passed over: others than its owner may write to it"
        elif [ "${#name}" -gt 64 ]; then
          warn "$file is passed over: its name is longer than 64 characters"
        else
          printf '%s\n' "$name"
        fi
        ;;
    esac
  done
}

wanted_checks() {
  list_checks > "$work/all-checks"
  if [ -z "$only" ]; then
    cat "$work/all-checks"
    return 0
  fi
  for name in $only; do
    grep -Fxq -- "$name" "$work/all-checks" || fail 2 "there is no check $name in $checks_folder that can be run"
  done
  for name in $only; do printf '%s\n' "$name"; done | sort -u
}

# Runs a check within its time. Whatever it leaves running, this goes on: its output is read for a bounded time too.
run_check() {
  printf '1\n' > "$work/status"
  {
    umask 022
    status=0
    timeout -k 5 "$limit" "$checks_folder/$1" < /dev/null 2>&1 || status=$?
    printf '%s\n' "$status" > "$work/status"
  } | timeout "$((limit + 10))" sh -c 'head -c 2000; cat > /dev/null' > "$work/output" || true
  status=$(cat "$work/status")
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    printf '%s\n' "It did not end within $limit seconds." | cat - "$work/output" > "$work/longer"
    mv -f "$work/longer" "$work/output"
  fi
}

escaped() {
  tr '\t' ' ' < "$1" | tr -d '\000-\010\013-\037\177' | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 }'
}

# Runs the checks and writes the JSON list of their results to $work/checks.
run_checks() {
  printf '[' > "$work/checks"
  separator=
  wanted_checks > "$work/wanted"
  while IFS= read -r name <&3; do
    run_check "$name"
    passed=false
    if [ "$status" -eq 0 ]; then passed=true; fi
    warn "check $name: $(if [ "$passed" = true ]; then say passed; else say "failed with status $status"; fi)"
    printf '%s\n{"name":"%s","passed":%s,"output":"%s"}' \
      "$separator" "$name" "$passed" "$(escaped "$work/output")" >> "$work/checks"
    separator=,
  done 3< "$work/wanted"
  printf ']\n' >> "$work/checks"
}
