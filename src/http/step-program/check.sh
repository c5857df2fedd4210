
fault() {
  faults=$((faults + 1))
  say "not good: $*"
}

check_tree_serves() {
  active=$(php_active)
  [ "$active" = "$1" ] || { fault "the PHP here is ${active:-none}, not $1"; return 0; }
  url=$(php_conf check-url)
  answers "${url:-http://127.0.0.1/rookery-php-check}" "$1" || fault "the web server answers \"$said\", not \"$1\""
}

check_release_serves() {
  active=$(release_active)
  [ "$active" = "$1" ] || { fault "the release here is ${active:-none}, not $1"; return 0; }
  [ -z "$release_url" ] || answers "$release_url" "$1" || fault "the web server answers \"$said\", not \"$1\""
}

# check_merged PROFILE CHANNEL SERIAL DIGEST PATH
check_merged() {
  merged=
  [ ! -f "$store/merged" ] || merged=$(cut -d' ' -f1-4 "$store/merged")
  [ "$merged" = "$1 $2 $3 $4" ] || fault "the publication merged here is ${merged:-none}, not $1 $2 $3 $4"
}

# check TREE RELEASE PUBLICATION
check() {
  need_programs awk cut date find head sed tail timeout tr
  faults=0
  only=
  is_web_running || fault 'what serves does not run'
  list_checks > "$work/wanted"
  while IFS= read -r name <&3; do
    run_check "$name"
    if [ "$status" -eq 0 ]; then
      say "check $name passed"
    else
      fault "check $name failed with status $status: $(head -c 300 "$work/output" | tr '\n' ' ')"
    fi
  done 3< "$work/wanted"
  [ "$1" = - ] || check_tree_serves "$1"
  [ "$2" = - ] || check_release_serves "$2"
  shift 2
  [ "$*" = - ] || { check_merged "$@"; check_tree_libraries; }
  [ "$faults" -eq 0 ] || exit 1
  say 'all is good'
}
