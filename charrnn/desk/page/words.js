// The page's words in English and Chinese. An element says which one it shows: data-t, data-label, data-hint.

const WORDS = {
  skip: ["Skip to the text", "跳到正文"],
  motto: ["The model proposes, you choose.", "模型提议，由你来选。"],
  language: ["Language", "语言"],
  theme: ["Colours", "颜色"],
  auto: ["As the system", "跟随系统"],
  light: ["Light", "浅色"],
  dark: ["Dark", "深色"],
  ask: ["What to write", "写什么"],
  prompt: ["Beginning", "开头"],
  temperature: ["Temperature", "温度"],
  verse: ["Verse", "诗词格律"],
  form: ["Form", "体裁"],
  rhyme: ["Rhyme", "押韵"],
  acrostic: ["Acrostic", "藏头"],
  tones: ["Keep the tones", "合平仄"],
  more: ["More", "更多"],
  length: ["Length", "长度"],
  seed: ["Seed", "种子"],
  topk: ["Top k", "前 k 个"],
  topp: ["Top p", "累计概率"],
  penalty: ["Repetition penalty", "重复惩罚"],
  original: ["No copied runs, from … characters", "不抄训练文本，从连续几字起"],
  unknown: ["Unknown characters", "不认识的字"],
  unknownError: ["are refused", "报错"],
  unknownKeep: ["are kept, not read", "保留但不读"],
  unknownSkip: ["are left out", "略去"],
  write: ["Write", "写"],
  stop: ["Stop", "停"],
  colour: ["Surprise as colour", "用颜色表示意外"],
  underline: ["Underline what is copied", "给抄来的字加下划线"],
  two: ["Two models side by side", "两个模型并排"],
  expected: ["expected", "意料之中"],
  surprising: ["surprising", "意外"],
  texts: ["Texts", "正文"],
  text: ["Text, character by character: arrow keys move, Enter shows what else was likely", "逐字正文：方向键移动，回车看其他可能"],
  model: ["Model", "模型"],
  on: ["Go on", "接着写"],
  again: ["Another", "另写一篇"],
  begin: ["As beginning", "作为开头"],
  judge: ["Check verse", "查格律"],
  copy: ["Copy", "复制"],
  keep: ["Keep", "存为草稿"],
  drafts: ["Drafts", "草稿"],
  draftsWhere: ["They stay in this browser.", "只存在这个浏览器里。"],
  export: ["Export as text", "导出为文本"],
  open: ["Open", "打开"],
  remove: ["Remove", "删除"],
  choices: ["What else was likely", "其他可能"],
  own: ["Your own", "自己写"],
  close: ["Close", "关闭"],
  none: ["none", "无"],
  all: ["all", "全部"],
  any: ["any may be", "不限"],
  drawn: ["drawn", "随机"],
  lineEnd: ["line end", "换行"],
  textEnd: ["(the end)", "（完）"],
  bits: ["bits", "比特"],
  yours: ["yours", "你写的"],
  writing: ["Writing …", "正在写……"],
  written: ["Written: ", "写好了："],
  stopped: ["Stopped.", "停了。"],
  closed: ["The server stops.", "服务器关闭了。"],
  lost: ["The server does not answer. Is `charrnn serve` still running?", "服务器没有应答。charrnn serve 还在运行吗？"],
  copied: ["Copied.", "已复制。"],
  keptNow: ["Kept among the drafts.", "已存为草稿。"],
  full: ["This browser has no room for more drafts: export and remove some.", "浏览器存不下更多草稿：请导出并删掉一些。"],
  right: ["keeps its rules", "合律"],
  fills: ["(this model only fills blanks)", "（这个模型只会填空）"],
  price: ["{1} took {0} bits per character", "{1}的代价：每字 {0} 比特"],
  theForm: ["the form", "格律"],
  noCopies: ["no copied runs", "不抄"],
  both: ["the form and no copied runs", "格律与不抄"],
  seedWas: ["seed {0}", "种子 {0}"],
  share: ["{0} % stands in runs of {1} characters or more of the training text", "{0} % 与训练文本连续 {1} 字以上相同"],
  characters: ["{0} characters known", "认识 {0} 个字符"],
};

export let language = "en";

export function t(key, ...values) {
  const word = WORDS[key][language === "zh" ? 1 : 0];
  return word.replace(/\{(\d)\}/g, (_, i) => values[i]);
}

export function translate(root = document) {
  for (const one of root.querySelectorAll("[data-t]")) one.textContent = t(one.dataset.t);
  for (const one of root.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
  for (const one of root.querySelectorAll("[data-hint]")) one.placeholder = t(one.dataset.hint);
}

export function speak(wanted) {
  language = wanted === "zh" ? "zh" : "en";
  document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";
  translate();
}
