# Body of a training job: one start of it on the nodes that SLURM gave, and what becomes of the job then.
# Sourced by an sbatch file; arguments are what follows 'medvlp train fit'. One task is one process, one GPU.
# MEDVLP_SETUP         a file that is sourced first (modules, virtual environment; the arrays srun_options and container
#                      hold words for srun and words before medvlp)
# MEDVLP_MAX_RESTARTS  how often the job may start again, 20 unless stated
# before 'set -u': conda and modules read variables that are not set
if [ -n "${MEDVLP_SETUP:-}" ]; then source "$MEDVLP_SETUP" || { echo "MEDVLP_SETUP=$MEDVLP_SETUP failed"; exit 2; }; fi
set -uo pipefail

# srun does not take over how many cores the job has for each task, and would give each one
if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi
restarts=${SLURM_RESTART_COUNT:-0}
limit=${MEDVLP_MAX_RESTARTS:-20}
codes=$(mktemp)
trap 'rm -f "$codes"' EXIT
trap : TERM USR1 # a signal to all processes of the job must not end this one before the run has kept its state
echo "job $SLURM_JOB_ID on $SLURM_JOB_NUM_NODES nodes, restart $restarts of $limit at most"

# Hands on what srun and its tasks say. srun's own code does not tell which task ended first: where it ends the other
# tasks, theirs is what it returns.
hand_on() {
  trap '' TERM USR1
  while IFS= read -r line || [ -n "$line" ]; do
    printf '%s\n' "$line" >&2
    if [[ $line =~ ^srun:\ error:.*Exited\ with\ exit\ code\ ([0-9]+)$ ]]; then
      echo "${BASH_REMATCH[1]}" >>"$codes"
    fi
  done
}

exec 3> >(hand_on)
handing_on=$!
srun --kill-on-bad-exit=1 --unbuffered ${srun_options[@]+"${srun_options[@]}"} \
  ${container[@]+"${container[@]}"} medvlp train fit "$@" \
  --trainer.num_nodes="$SLURM_JOB_NUM_NODES" --trainer.devices="${SLURM_NTASKS_PER_NODE:-1}" \
  --run.progress=false 2>&3
code=$?
exec 3>&-
wait "$handing_on" # for the last lines
for told in 75 2; do
  if grep -qx "$told" "$codes"; then code=$told; fi
done

# 0: finished. 2: refused, as it would be again. 75: asked to stop, the state is kept.
# Anything else: a process or a node died; the run goes on from its last checkpoint.
case $code in
  0) exit 0 ;;
  2)
    echo "exit code 2: refused; not started again"
    exit 2
    ;;
esac
if [ "$restarts" -ge "$limit" ]; then
  echo "exit code $code after $restarts restarts: given up"
  exit "$code"
fi
# A job that was cancelled must not come back, and one that was preempted SLURM requeues itself.
state=unknown
if [[ "$(scontrol show job -o "$SLURM_JOB_ID")" =~ \ JobState=([^ ]+)\ Reason=([^ ]+) ]]; then
  state=${BASH_REMATCH[1]}
  if [ "${BASH_REMATCH[2]}" = TimeLimit ]; then state=TIMEOUT; fi
fi
case $state in
  RUNNING | TIMEOUT | unknown) ;;
  *)
    echo "exit code $code: not requeued ($state)"
    exit "$code"
    ;;
esac
echo "exit code $code: requeued"
if ! scontrol requeue "$SLURM_JOB_ID"; then
  echo "the job cannot be requeued; submit the same command again to go on"
  exit "$code"
fi
sleep 600 # until SLURM ends this start of the job
