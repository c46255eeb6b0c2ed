import { expect, test } from "vitest";
import { columns, extent } from "./series";

const at = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();

test("a silence much longer than usual breaks the line", () => {
  const rows = [0, 1, 2, 3, 60, 61].map((minute) => ({ time: at(minute), value: minute }));
  expect(columns(rows).values).toEqual([0, 1, 2, 3, null, 60, 61]);
});

test("a steady series stays whole", () => {
  const rows = [0, 60, 120].map((minute) => ({ time: at(minute), value: 1 }));
  expect(columns(rows).values).toEqual([1, 1, 1]);
});

test("bad values are drawn beside the line, text and null not at all", () => {
  const rows = [
    { time: at(0), value: 1, verdict: "bad" },
    { time: at(1), value: "open" },
    { time: at(2), value: null },
    { time: at(3), value: true },
  ];
  expect(columns(rows)).toEqual({ times: [Date.parse(at(0)) / 1000, Date.parse(at(3)) / 1000], values: [1, 1], bad: [1, null] });
});

test("what came since, second by second, does not make gaps of the minutes before", () => {
  const rows = [0, 5, 10].map((minute) => ({ time: at(minute), value: minute }));
  const tail = [1, 2, 3, 4, 5].map((second) => ({ time: new Date(Date.parse(at(10)) + second * 1000).toISOString(), value: second }));
  expect(columns(rows, tail).values).toEqual([0, 5, 10, 1, 2, 3, 4, 5]);
});

test("the extent of nothing is none", () => {
  expect(extent([null])).toBeNull();
  expect(extent([3, null, 1, 2])).toEqual({ low: 1, high: 3, last: 2 });
});
