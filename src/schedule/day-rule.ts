/**
 * A day that depends on the calendar, as croner writes it: of the day of the month `L` (the last), `15W` (the weekday
 * nearest to the 15th, of the same month) and `LW` (the last weekday); of the day of the week `2#2` (the second
 * Tuesday) and `5L` (the last Friday). `undefined`: the text is none.
 */
export function readDayRule(
  text: string,
  field: "month" | "week",
  numberOf: (text: string) => number | undefined,
): string | undefined {
  const written = text.toUpperCase();
  if (field === "month") {
    if (written === "L" || written === "LW") return written;
    const day = written.endsWith("W") ? numberOf(written.slice(0, -1)) : undefined;
    return day !== undefined && day >= 1 && day <= 31 ? `${day}W` : undefined;
  }
  const [, day = "", which = ""] = /^([^#]+?)(#[1-5]|L)$/.exec(written) ?? [];
  const weekday = numberOf(day);
  return weekday !== undefined && weekday >= 0 && weekday <= 7
    ? `${weekday % 7}${which}`
    : undefined;
}
