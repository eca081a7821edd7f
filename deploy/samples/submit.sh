#!/usr/bin/env bash
# Submits a training with nothing but curl: the job API is HTTP with JSON.
#
#   export RAY_ADDRESS=http://127.0.0.1:8265 RAY_AUTH_TOKEN=...
#   deploy/samples/submit.sh saturday --track bramble --minutes 20
#
# The first argument names the run, the others are those of `hairpin train`. It prints what the job
# API answers; `hairpin jobs`, `hairpin logs saturday -f` and `hairpin stop saturday` know the job.
set -euo pipefail
run=$1
shift
curl --silent --show-error --fail-with-body "$RAY_ADDRESS/api/jobs/" \
  --config <(printf 'header = "Authorization: Bearer %s"\n' "$RAY_AUTH_TOKEN") \
  --header "Content-Type: application/json" \
  --data "{\"submission_id\": \"$run\", \"entrypoint\": \"hairpin train --run $run --durable $*\"}"
