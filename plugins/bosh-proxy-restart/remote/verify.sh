# Looks once. Set by the caller beside what look.sh needs: patience, the seconds that a restart under way is waited for
say job "$job"
lock "$patience" || say busy
exec 9<&-
say phase before
look
say end
