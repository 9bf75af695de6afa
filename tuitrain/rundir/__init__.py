"""The carrier: a training run is a folder, and this is all that touches it.

places      where runs live, what lies in a run's folder, its id and its `run.json`
private     files that only their owner can read, whole or not at all
writer      the trainer says something: append to `events.jsonl`
follower    a reader listens: follow `events.jsonl`, or read only its beginning or end
commands    a reader asks, the trainer looks: one file a command
lock        held while the trainer lives
process     which process on which machine
status      is it live, silent, lost, ended or moved?
presence    is a screen attached?
vanishing   is the folder of a trainer gone?
labels      what people write on a run: a name, a note, tags
summary     one run in short
catalogue   all runs at a glance, and one of them by name
disk        how much space runs take
trash       delete a run in a way that can be undone
pruning     what could go: said first, then done
"""
