"""What a thief of answers trains: several kinds of student, each judged on answers held out, the
best kept.
"""

from gamekeeper.audit.language.students._lessons import Learn, Lessons, Write
from gamekeeper.audit.language.students.contest import best_student, why_no_writer

__all__ = ["Learn", "Lessons", "Write", "best_student", "why_no_writer"]
