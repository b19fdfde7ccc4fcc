"""Skills: reusable instructions, put into a system prompt at run time (agentskills.io)."""

from django.db import models

from billing.models import OwnedDocument
from gofannon.lib.documents import ListRow


class Skill(OwnedDocument):
    KIND = "skill"
    COLLECTION = "skills"
    LISTS = ("tags",)
    PREFETCHES = ("versions",)

    name = models.CharField(
        max_length=255, db_index=True, help_text="lower case and hyphens where it is to travel as SKILL.md"
    )
    description = models.CharField(max_length=1024, blank=True)
    instructions = models.TextField(blank=True, help_text="Markdown")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="skill_name_per_owner")]

    def stored(self, *, created: bool) -> None:
        """Every edit leaves a version behind."""
        fields = {"description": self.description, "instructions": self.instructions, "name": self.name}
        SkillVersion.objects.get_or_create(skill=self, number=self.version, defaults=fields)


class SkillRow(ListRow):
    document = models.ForeignKey(Skill, models.CASCADE, related_name="rows")


class SkillVersion(models.Model):
    skill = models.ForeignKey(Skill, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=1024, blank=True)
    instructions = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["skill", "number"], name="skill_version_number")]

    def __str__(self) -> str:
        return f"{self.name} v{self.number}"
