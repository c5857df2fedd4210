
need_rookery_php() {
  [ -x "$php_program" ] || fail 3 "there is no $php_program: the farm serves no PHP trees"
}

# check_manifest ID MANIFEST
check_manifest() {
  [ -f "$base/opt/php/$1/MANIFEST" ] || fail 3 "there is no tree $base/opt/php/$1"
  digest=$(sha256sum < "$base/opt/php/$1/MANIFEST" | cut -d' ' -f1)
  [ "$digest" = "$2" ] || fail 5 "the MANIFEST of $1 here has the digest $digest; the plan names $2"
}

# rookery_php ARGUMENT...: its exit statuses are those of steps.
rookery_php() {
  say "+ rookery-php $*"
  code=0
  "$php_program" "$@" < /dev/null 2>&1 || code=$?
  [ "$code" -eq 0 ] || exit "$code"
}

pull_php() {
  need_rookery_php
  need_programs cut sha256sum
  rookery_php pull "$2" --profile "$1"
  check_manifest "$2" "$3"
}

activate_php() {
  need_rookery_php
  need_programs cut sha256sum
  check_manifest "$2" "$3"
  set -- activate "$2"
  [ "$(php_conf web-server)" != apache-mod-php ] || set -- "$@" --mod-php
  rookery_php "$@"
}

# The tree that the web server's include names.
php_active() {
  include=$(php_conf include)
  [ -n "$include" ] && [ -L "$include" ] || return 0
  target=$(readlink "$include")
  target=${target##*/}
  case $target in *.include) printf '%s\n' "${target%.include}" ;; esac
}
