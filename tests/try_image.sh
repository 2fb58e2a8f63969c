#!/usr/bin/env bash
# Tries a built image from end to end, as its own user and with a read-only root: versions, what it is made of, a
# cross-validation of synthetic photographs, and the review app until its health check answers.
#
#   tests/try_image.sh IMAGE
#
# CONTAINER names the program, docker if unset; RUN_OPTIONS what each of its runs needs beside.
set -euo pipefail

image=${1:?name an image}
container=${CONTAINER:-docker}
read -ra run <<<"$container run --read-only --tmpfs /tmp ${RUN_OPTIONS:-}"
name=cvs-med-tried-$$
data=$($container volume create) runs=$($container volume create) models=$($container volume create)
volumes=(--volume "$data:/data" --volume "$runs:/runs" --volume "$models:/models")

clean() {
  $container rm --force "$name" >/dev/null 2>&1 || true
  $container volume rm "$data" "$runs" "$models" >/dev/null 2>&1 || true
}
trap clean EXIT

say() { printf '%s\n' "$*" >&2; }
fail() { say "Failed: $*"; exit 1; }

# shellcheck disable=SC2016  # expanded inside the image
"${run[@]}" --rm --entrypoint sh "$image" -c '
  test "$(id -u)" = 10001 || { echo "the user is $(id -u)"; exit 1; }
  ! touch /written 2>/dev/null || { echo "the root can be written"; exit 1; }
  for program in cc gcc c++ g++ make; do
    ! command -v $program >/dev/null || { echo "$program is there"; exit 1; }
  done
  for left in /root/.cache/pip /build /var/lib/apt/lists/*_Packages; do
    ! test -e "$left" || { echo "$left was left"; exit 1; }
  done
  python -c "import importlib.util as find; assert find.find_spec(\"pytest\") is None, \"pytest is there\""
  test -z "$(find / -xdev -name try_image.sh 2>/dev/null)" || { echo "our tests are there"; exit 1; }
' || fail "what the image is made of"
say "User 10001, a root that cannot be written, no compiler, no package cache, no tests."

"${run[@]}" --rm "$image" --version || fail "its version"

tiny=(--folds 2 --epochs 2 --image-size 64 --backbone wideresnet-10-1 --set network.decoder=transposed)
"${run[@]}" --rm "${volumes[@]}" --entrypoint cvs-med "$image" \
  data make phantom --out /data/phantom --cases 12 --size 64 || fail "synthetic photographs"
# Read to its end: a pipe that grep closes early would be taken for a fault of the command.
found=$("${run[@]}" --rm "${volumes[@]}" "$image" cv --dataset phantom --device cpu "${tiny[@]}" --out /runs/tried --json) \
  || fail "a cross-validation"
grep -q accuracy <<<"$found" || fail "a cross-validation without its accuracy"
say "A cross-validation with its report."

code=0
timeout 120 "${run[@]}" --rm "${volumes[@]}" --env CVS_MED_RUN=/runs/tried "$image" >/dev/null 2>&1 || code=$?
[[ $code = 2 ]] || fail "the review app without a login: expected code 2, found $code"
say "The review app is not served to other machines without a login."

mapfile -t check < <($container image inspect --format '{{range .Config.Healthcheck.Test}}{{println .}}{{end}}' "$image")
"${run[@]}" --detach --name "$name" "${volumes[@]}" --env CVS_MED_RUN=/runs/tried "$image" \
  app --address 0.0.0.0 --published-on-loopback >/dev/null
for _ in $(seq 60); do
  # The first word says how to run the rest: CMD. The last line is empty.
  if $container exec "$name" "${check[@]:1:3}" 2>/dev/null; then
    say "The review app, which answers its health check."
    $container stop "$name" >/dev/null
    exit 0
  fi
  sleep 1
done
$container logs "$name" >&2
fail "the review app: its health check never answered"
