
# read_file FILE FUNCTION: calls it with key and value of each "key = value".
read_file() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
      '' | '#'*) continue ;;
      *=*) ;;
      *) fail 3 "$1: \"$line\" is not key = value" ;;
    esac
    key=${line%%=*}
    key=${key%"${key##*[! ]}"}
    value=${line#*=}
    value=${value#"${value%%[! ]*}"}
    "$2" "$key" "$value"
  done < "$1"
}

check_number() {
  case $2 in '' | *[!0-9]* | ???????*) fail 2 "$1 has to be a number from 0 to 999999, not \"$2\"" ;; esac
}

check_word() {
  case $2 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+@,=~%:-]*) fail 2 "\"$2\" is not the name of a $1" ;; esac
}

# What goes into configuration files and commands has to be a plain path.
check_path() {
  case $2 in
    '' | /) ;;
    [!/]* | *[!A-Za-z0-9._/+@,=~%-]*) fail 2 "$1 $2 is not an absolute path of plain characters" ;;
  esac
}

# What is set in a file runs as root: nobody else may write it.
check_owned() {
  [ -z "$(find -L "$1" -prune \( -perm -0020 -o -perm -0002 \))" ] ||
    fail 3 "others than its owner may write to $1; chmod 644 it"
}
