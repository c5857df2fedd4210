#!/bin/sh
# Stands in for emerge on a node of the lab, for what is around a merge and not the merge itself: var/db/pkg becomes what the one
# source of packages has, whose index rookery-step has fetched, checked and put where Portage would look for it.
set -eu
case " $* " in *' --fetchonly '*) exit 0 ;; esac
root=${PORTAGE_CONFIGROOT%/var/lib/rookery/step/configuration}
uri=$(sed -n 's/^sync-uri = //p' "$PORTAGE_CONFIGROOT/etc/portage/binrepos.conf")
place=${uri#*://}
set -- "$root"/var/cache/edb/binhost/*/"${place#*/}/Packages"
[ -f "$1" ] || { echo "there is no index of $uri" >&2; exit 1; }
rm -rf "$root/var/db/pkg"
echo "$uri" >> "$root/merges"
# Of several builds of one version the newest.
awk '
  function keep() {
    if (value["CPV"] != "" && value["BUILD_TIME"] + 0 >= newest[value["CPV"]] + 0) {
      newest[value["CPV"]] = value["BUILD_TIME"]
      slot = value["SLOT"] == "" ? "0" : value["SLOT"]
      kept[value["CPV"]] = slot " " value["BUILD_ID"] " " value["BUILD_TIME"] " " value["REPO"] " " value["USE"]
    }
    split("", value)
  }
  /^$/ { keep(); next }
  { at = index($0, ": "); value[substr($0, 1, at - 1)] = substr($0, at + 2) }
  END { keep(); for (cpv in kept) print cpv, kept[cpv] }
' "$1" | while read -r cpv slot build_id build_time repository use; do
  folder=$root/var/db/pkg/$cpv
  mkdir -p "$folder"
  echo "${cpv#*/}" > "$folder/PF"
  echo "$slot" > "$folder/SLOT"
  echo "$build_id" > "$folder/BUILD_ID"
  echo "$build_time" > "$folder/BUILD_TIME"
  echo "$repository" > "$folder/repository"
  echo "$use" > "$folder/USE"
  : > "$folder/CONTENTS"
done
