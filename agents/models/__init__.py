from agents.models.skill import Skill, SkillRow, SkillVersion

__all__ = ["Skill", "SkillRow", "SkillVersion"]
