
# setting KEY FILE: of the file that the setup script wrote for a profile.
setting() { sed -n "s/^$1 = //p" "$2" | head -n 1; }

# TIMESTAMP of an index, or null.
timestamp_of() {
  found=
  if [ -f "$1" ]; then
    found=$(awk '/^$/ { exit } /^TIMESTAMP: [0-9]+$/ { print $2; exit }' "$1")
  fi
  printf '%s\n' "${found:-null}"
}

# The installed packages as a JSON list. Values are plain words; anything that JSON would have to escape is dropped.
installed_json() {
  printf '%s\n' "$PREFIX"/var/db/pkg/*/*/PF | awk '
    function value(name,    text, line) {
      text = ""
      while ((getline line < (folder "/" name)) > 0) text = text (text == "" ? "" : " ") line
      close(folder "/" name)
      return plain(text)
    }
    function plain(text) {
      gsub(/[^ -~]/, " ", text)
      gsub(/["\\]/, "", text)
      gsub(/  +/, " ", text)
      sub(/^ /, "", text)
      sub(/ $/, "", text)
      return text
    }
    function number(text) {
      sub(/^0+/, "", text)
      return text ~ /^[0-9]+$/ ? text : "null"
    }
    BEGIN { printf "[" }
    {
      folder = $0
      sub(/\/PF$/, "", folder)
      parts = split(folder, path, "/")
      pf = path[parts]
      category = path[parts - 1]
      if (pf == "*" || pf ~ /^-MERGING-/ || category ~ /^[-.]/) next
      printf "%s\n{\"cpv\":\"%s\",\"slot\":\"%s\",\"buildId\":%s,\"buildTime\":%s,\"repository\":\"%s\",\"use\":\"%s\",\"iuse\":\"%s\",\"provides\":\"%s\",\"requires\":\"%s\"}", \
        (count++ ? "," : ""), plain(category "/" pf), value("SLOT"), number(value("BUILD_ID")), \
        number(value("BUILD_TIME")), value("repository"), value("USE"), value("IUSE"), \
        value("PROVIDES"), value("REQUIRES")
    }
    END { print "]" }'
}

count_installed() {
  set -- "$PREFIX"/var/db/pkg/*/[!-]*/PF
  if [ -e "$1" ]; then say "$#"; else say 0; fi
}
