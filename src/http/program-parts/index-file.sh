
# Where Portage keeps the index that it has read from an address: by host, without port and user, and path.
index_file() {
  printf '%s\n' "$1" | awk -v base="${root:-}$PREFIX/var/cache/edb/binhost" '{
    sub(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, "")
    slash = index($0, "/")
    host = slash ? substr($0, 1, slash - 1) : $0
    path = slash ? substr($0, slash + 1) : ""
    sub(/^.*@/, "", host)
    if (host ~ /^\[/) { sub(/^\[/, "", host); sub(/\].*$/, "", host) } else sub(/:[0-9]*$/, "", host)
    print base "/" tolower(host) "/" path "/Packages"
  }'
}
