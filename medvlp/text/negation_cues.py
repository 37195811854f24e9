"""The words that deny or hedge a finding, by the direction in which they work.

Written for English captions and reports, as phrases of lower-case words parted by semicolons.
``BE`` stands for any form of that verb and ``SEEN`` for the participles of perception in
:data:`PERCEIVED`.
"""

from __future__ import annotations

__all__ = [
    "ABSENT_AFTER",
    "ABSENT_BEFORE",
    "ABSENT_WORD_BEFORE",
    "AFTER_LAST",
    "BE",
    "DECIDED",
    "FINITE_VERBS",
    "FORWARD_STOPPERS",
    "HEDGES",
    "PATIENT_WORDS",
    "PERCEIVED",
    "PSEUDO",
    "SHOWING",
    "STOPPERS",
    "STOPPERS_BEFORE_TO",
    "UNCERTAIN_AFTER",
    "UNCERTAIN_BEFORE",
]

BE = ("is", "are", "was", "were", "be", "been", "being")

PERCEIVED = tuple(
    """seen noted identified found detected observed visualized visualised demonstrated appreciated
    recognized recognised visible evident present apparent shown suspected documented discernible
    reported encountered revealed diagnosed established""".split()
)

# Further participles that close a list which is denied as a whole.
DECIDED = frozenset({"confirmed", "excluded", "ruled", "proven", "considered", "described"})

# What stands before a finding and denies it.
ABSENT_BEFORE = """
no; not; BE not; never; none of; neither; nor; cannot see; could not see; nothing to suggest;
nothing suggesting; without; without evidence of; without signs of; w/o; absence of; absent;
lack of; lacks; lacking; lacked; devoid of; denies; denied; denying; negative for; BE negative for;
seronegative for; free of; free from; clear of; spared from; unaffected by;
excludes; excluded; excluding; exclusion of; ruled out; rules out; ruling out; ruled against;
argues against; argued against; inconsistent with; incompatible with;
fails to show; fails to reveal; fails to demonstrate; failed to show; failed to reveal;
failed to demonstrate; failed to detect; failed to identify;
rather than; instead of; as opposed to; resolution of; resolved; disappearance of;
complete regression of
"""

# What stands after a finding and denies it.
ABSENT_AFTER = """
BE not; BE not SEEN; not SEEN; not BE SEEN; BE absent; absent; BE negative; BE lacking;
BE no longer SEEN; nowhere SEEN; nowhere to BE SEEN; do not exist; does not exist;
did not occur; BE ruled out; BE excluded; ruled out; excluded; has BE ruled out; have BE ruled out;
had BE ruled out; has BE excluded; have BE excluded; had BE excluded; can BE ruled out;
can BE excluded; could BE ruled out; could BE excluded; can not BE SEEN; cannot BE SEEN;
could not BE SEEN; resolved; has resolved; have resolved; had resolved; has disappeared;
have disappeared; had disappeared; : no; : none; : negative; : absent; : not SEEN; : excluded;
( - )
"""

# What denies the one word before it and no more.
ABSENT_WORD_BEFORE = """
- negative; - free; negative patient; negative patients; negative individuals; negative subjects;
seronegative
"""

# What stands before a finding and leaves it open.
UNCERTAIN_BEFORE = """
possible; possibly; probable; BE likely; BE possible; BE unlikely; BE suspected of;
probably; perhaps; maybe; likely; unlikely; less likely;
most likely; very likely; presumed; presumably; presumptive; suspected; suspected to be; suspect;
suspecting; suspicious for; suspicious of; suspicion for; suspicion of; thought to be;
believed to be; suggest; suggests; suggested; suggesting; suggestive of; suggestive for;
indicative of; typical of; may be; may have; may represent; may reflect; may indicate;
may suggest; might be; might have; might represent; might reflect; could be; could have;
could represent; could reflect; could indicate; appears to be; seems to be; concern for;
concerns for; concerning for; worrisome for; question of; questionable; equivocal for;
indeterminate for; query; uncertain for; rule out; r/o; to exclude; to evaluate for;
evaluate for; evaluated for; evaluation for; assess for; assessed for; assessment for;
screening for; screened for; work-up for; workup for; investigated for; differential diagnosis;
differential diagnoses; differential includes; differential considerations;
to be distinguished from; mimicking; mimics; mimicked; mimic; simulating; resembling;
reminiscent of; versus; vs; cannot exclude; can not exclude; could not exclude;
cannot rule out; can not rule out; could not rule out; does not exclude; did not exclude;
do not exclude; does not rule out; did not rule out; not exclude; not rule out; risk of;
risk for; risk factor for; risk factors for; at risk of; at risk for; predisposing to;
predisposed to; prone to; in case of; whether; family history of; familial history of;
mother had; father had; to prevent; prevention of; prophylaxis of; prophylaxis for;
prophylaxis against; vaccination against; fear of; feared; initially considered;
likely due to; possibly due to; probably due to; presumably due to; perhaps due to;
likely secondary to; possibly secondary to; probably secondary to; presumably secondary to;
likely caused by; possibly caused by; probably caused by; presumably caused by
"""

# What stands after a finding and leaves it open.
UNCERTAIN_AFTER = """
likely; unlikely; less likely; possible; probable; suspected; BE possible; BE probable; BE likely;
BE unlikely; BE less likely; BE suspected; BE questionable; BE questioned; BE considered;
BE uncertain; BE unclear; BE equivocal; BE feared; BE in question; BE presumed; BE suggested;
cannot BE excluded; cannot BE ruled out; can not BE excluded; can not BE ruled out;
could not BE excluded; could not BE ruled out; not BE excluded; not BE ruled out; not excluded;
not ruled out; could not BE confirmed; cannot BE confirmed; BE not confirmed; not BE confirmed;
BE not excluded; BE not ruled out; has not BE excluded;
has not BE ruled out; have not BE excluded; have not BE ruled out; remains possible;
remains likely; remains uncertain; remains questionable; remains in question;
remains to be excluded; seems likely; seems unlikely; seems possible; should BE considered;
should BE excluded; must BE considered; must BE excluded; may BE considered;
needs to BE excluded; to BE excluded; to BE ruled out; BE to BE excluded; BE to BE ruled out; ?
"""

# What looks like a denial and is none.
PSEUDO = """
no change; no changes; no interval change; no significant change; no significant interval change;
no appreciable change; no increase; no interval increase; no decrease; no progression;
no further progression; no growth; no improvement; no regression; no response; no doubt;
no question; no cause of; no cause for; no longer than; no less than; no more than; no matter;
not only; not merely; not just; not necessarily; not simply; not drain; not yet resolved;
not resolved; not resolve; not to mention; without change; without significant change;
without interval change; without difficulty; without doubt; without complication;
without complications; without treatment; without further; gram negative; gram - negative;
triple negative; triple - negative; false negative; false - negative; hormone negative;
hr negative; her2 negative; rh negative; negative pressure; negative contrast; not known to
"""

# A scope ends at these words.
STOPPERS = frozenset(
    """but however although though except yet whereas while nevertheless nonetheless despite
    besides because since causing caused causes therefore thus hence then
    where when until unless apart aside otherwise still contrary resulting consequently""".split()
)

# A scope ends at these words before "to".
STOPPERS_BEFORE_TO = frozenset({"secondary", "due", "owing", "attributable"})

# A scope that runs forward ends at these too.
FORWARD_STOPPERS = frozenset({"which", "who", "whose", "after", "following", "before", "prior"})

# What follows speaks of the patient's background, where these are not the first word of a scope.
PATIENT_WORDS = frozenset(
    """patient patients woman man women men boy girl child infant neonate case
    individual individuals subject""".split()
)

# A doubt ends where something is shown.
SHOWING = frozenset(
    """shows showed showing demonstrates demonstrated demonstrating reveals revealed revealing
    depicts depicting displays displaying confirms confirmed confirming""".split()
)

# A denial ends where a new item of a list is hedged.
HEDGES = frozenset({"possible", "possibly", "probable", "probably", "likely", "may", "might"})

# Before these words a cue that could work in both directions works backwards.
AFTER_LAST = frozenset(
    """and on in at by but after following within completely spontaneously because since from
    during with as""".split()
)

FINITE_VERBS = frozenset(
    """is are was were has have had shows showed show demonstrates demonstrated demonstrate
    reveals revealed reveal indicates indicated depicts depicted displays displayed remains
    remained appears appeared suggests suggested contains contained represents represented
    underwent developed presented presents confirms confirmed received exhibits exhibited
    consists consisted became becomes persists persisted""".split()
)
