# Body of one of several jobs that share a folder of cases; arguments are what follows 'medvlp'.
# Sourced by an sbatch file. Who works on which case is settled by leases in the output folder.
# MEDVLP_SETUP  a file that is sourced first, as for train_job.sh
# before 'set -u': conda and modules read variables that are not set
if [ -n "${MEDVLP_SETUP:-}" ]; then source "$MEDVLP_SETUP" || { echo "MEDVLP_SETUP=$MEDVLP_SETUP failed"; exit 2; }; fi
set -uo pipefail

# srun does not take over how many cores the job has for each task, and would give each one
if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi
echo "job $SLURM_JOB_ID, task ${SLURM_ARRAY_TASK_ID:-0}, restart ${SLURM_RESTART_COUNT:-0}"
exec srun --unbuffered ${srun_options[@]+"${srun_options[@]}"} ${container[@]+"${container[@]}"} medvlp "$@"
