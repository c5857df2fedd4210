
refuse() { fail 6 "$id cannot run here: $1"; }

# The farm still lists it, as what it was when it came; and nobody has touched it since.
check_allowed() {
  set -- $(state_of "tree $id")
  [ -d "$tree" ] && [ -n "${1:-}" ] || fail 3 "there is no tree $id here: rookery-php pull $id"
  known=$2
  set -- $(listed "$1" "$id")
  if [ "${1:-}" != "$known" ]; then
    [ "$allow_withdrawn" = yes ] && [ -z "${1:-}" ] ||
      fail 5 "the farm does not list $id any more, or lists another: it must not be used (--allow-withdrawn does, where it is not listed)"
    note "$id is taken although the farm does not list it any more"
  fi
  fault=0
  check_resident "$id" || fault=1
  [ "$dry" = yes ] || record_check "$id" "$fault"
  [ "$fault" -eq 0 ] || refuse_tree "$tree is not as its MANIFEST says; remove it and pull it again"
  say "$id is as its MANIFEST says, and the farm lists it"
}

check_room() {
  if [ "$dry" = yes ]; then
    [ -d "$site" ] || site=$work/site
    log=$work
    mkdir -p "$work/site/pools"
    set --
  else
    mkdir -p "$site/pools" "$site/conf.d"
    set -- "$store" "$log" "$run"
  fi
  for place in "$@"; do
    mkdir -p "$place"
    free=$(free_kib "$place")
    [ "$free" -ge $((min_free_mb * 1024)) ] ||
      fail 3 "$place has $((free / 1024)) MiB of free space left; min-free-mb is $min_free_mb"
  done
}

check_libraries() {
  lacking=$(missing_libraries)
  [ -z "$lacking" ] || refuse "it needs ${lacking% }, which this node does not have"
  asked=$(meta glibc)
  [ -n "$asked" ] || return 0
  has=$(getconf GNU_LIBC_VERSION 2> /dev/null | sed 's/.* //') || has=
  [ -n "$has" ] || refuse "it needs glibc $asked, and getconf names none here"
  [ "$(printf '%s\n%s\n' "$asked" "$has" | sort -t. -k1,1n -k2,2n | head -n 1)" = "$asked" ] ||
    refuse "it needs glibc $asked, and here is $has"
}

# render FILE: the tree's template with the places of this node.
render() {
  [ -f "$tree/etc/php-fpm.conf" ] || refuse 'it has no etc/php-fpm.conf'
  sed -e "s|@ID@|$id|g" -e "s|@TREE@|$tree|g" -e "s|@RUN@|$run|g" -e "s|@LOG@|$log|g" -e "s|@SITE@|$site|g" \
    "$tree/etc/php-fpm.conf" > "$1"
}

# in_tree COMMAND...: with the environment that the PHP of this tree gets, and no other.
in_tree() {
  set -- PHP_INI_SCAN_DIR="$tree/etc/conf.d:$site/conf.d" "$@"
  [ ! -d "$tree/lib/private" ] || set -- LD_LIBRARY_PATH="$tree/lib/private" "$@"
  env -i PATH="$PATH" LC_ALL=C "$@"
}

# php_of PROGRAM ARGUMENT...: of this tree, with its settings. What answers a request can tell its tree with
# get_cfg_var('rookery.tree').
php_of() {
  program=$tree/$1
  shift
  in_tree "$program" -c "$tree/etc/php.ini" -d "extension_dir=$tree/lib/extensions" -d "rookery.tree=\"$id\"" "$@"
}

check_configuration() {
  php_of sbin/php-fpm -y "$1" -tt > "$work/fpm-test" 2>&1 || {
    tail -n 5 "$work/fpm-test" >&2
    refuse 'php-fpm -t does not pass'
  }
  grep -Eq 'process_control_timeout = [0-9]*[1-9]' "$work/fpm-test" ||
    refuse "process_control_timeout is 0: php-fpm would end requests that are under way; set it in the tree's php-fpm.conf, longer than the longest request"
}

# The list of extensions, one a line, of what php -m says or of META.
check_extensions() {
  php_of bin/php -m > "$work/modules" 2> "$work/log" || refuse "php -m ends with an error: $(tail -n 1 "$work/log")"
  meta extensions | sed 's/","/\n/g' | sort -u > "$work/wanted-extensions"
  grep -v '^\[\|^$\|^PHP Warning\|^Warning' "$work/modules" | sort -u > "$work/loaded"
  lost=$(comm -23 "$work/wanted-extensions" "$work/loaded" | tr '\n' ' ')
  [ -z "$lost" ] || refuse "extensions of META do not load: $lost"
  more=$(comm -13 "$work/wanted-extensions" "$work/loaded" | while IFS= read -r name; do
    case " $extra_extensions " in *" $name "*) ;; *) printf '%s ' "$name" ;; esac
  done)
  [ -z "$more" ] || refuse "it loads extensions that META does not have: $more(extra-extensions allows them)"
  php_of sbin/php-fpm -m > "$work/fpm-modules" 2>&1 || true
  if grep 'Unable to load' "$work/fpm-modules" > "$work/log"; then
    refuse "php-fpm does not load an extension: $(head -n 1 "$work/log")"
  fi
}
