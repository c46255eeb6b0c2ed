import { expect, test } from "vitest";
import { inside } from "../pages/entry/inside";
import { blanksOf, filled } from "../pages/mashups/blanks";
import { ageText, numberText, unitText, valueText, words } from "./format";

test.each([
  ["degC", "°C"],
  ["ug/m3", "µg/m³"],
  ["{person}/h", "person/h"],
  ["dB(A)", "dB(A)"],
  [undefined, ""],
])("the unit %s is written %s", (unit, text) => expect(unitText(unit)).toBe(text));

test("numbers have as many digits as they deserve", () => {
  expect([0.12345, 12.345, 123.45, 1234.5, 7].map((one) => numberText(one))).toEqual(["0.123", "12.35", "123.5", "1,235", "7"]);
  expect(numberText(4, 1)).toBe("4.0");
});

test("values of every type are written", () => {
  expect([true, false, null, "open", 2].map((one) => valueText(one))).toEqual(["on", "off", "–", "open", "2"]);
});

test("ages grow coarser", () => {
  expect([0, 30, 90, 7_200, 200_000].map((seconds) => ageText(0, seconds * 1000))).toEqual([
    "just now",
    "30 s ago",
    "1 min ago",
    "2 h ago",
    "2 d ago",
  ]);
});

test("technical names become words", () => {
  expect(words("persons_inPerHour")).toBe("Persons in per hour");
});

test.each([
  ["/devices?text=a", "/devices?text=a"],
  ["//evil.example", "/"],
  ["/\\evil.example", "/"],
  ["https://evil.example", "/"],
  [null, "/"],
])("after signing in %s leads to %s", (to, path) => expect(inside(to)).toBe(path));

test("a form tells numbers as numbers and leaves out what is empty", () => {
  const blanks = blanksOf({
    required: ["limit"],
    properties: { limit: { type: "number" }, clear: { anyOf: [{ type: "number" }, { type: "null" }] }, severity: { type: "string", default: "minor" } },
  });
  expect(blanks.map((blank) => [blank.kind, blank.required, blank.initial])).toEqual([
    ["number", true, ""],
    ["number", false, ""],
    ["choice", false, "minor"],
  ]);
  expect(filled(blanks, { limit: "6,5", clear: "", severity: "major" })).toEqual({ limit: 6.5, severity: "major" });
});
