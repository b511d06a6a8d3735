#!/bin/sh
# Makes the folder of engines and logs, which a volume takes over, for whichever user the container gets.
#
#   prepare_data.sh FOLDER USER_ID
#
# `docker run --user` may name another user than the image, to match a camera driver on the host; like
# /tmp, the folder is everyone's; engines are kept in a folder of mode 0700 per user inside it.
set -eu
folder=$1 user=$2
mkdir -p "$folder/engines" "$folder/log"
if [ "$(id -u)" = 0 ]; then
    chown -R "$user" "$folder"
fi
chmod 1777 "$folder" "$folder/engines" "$folder/log"
