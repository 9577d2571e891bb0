//! The page in Japanese.

use super::words::Words;

pub(super) const WORDS: Words = Words {
    app: "ご利用のアプリ",
    title: "Withings に接続",
    intro: "Withings アカウントの健康データを {app} と共有しようとしています。",
    shared: "共有される内容",
    info: "お使いのデバイス、目標、プロフィール",
    metrics: "測定値：体重と体組成、血圧、心拍数、体温、心電図などの記録",
    activity: "活動、ワークアウト、睡眠",
    sleep_events: "就寝と起床の時刻",
    needed: "必須",
    next: "次に行うこと",
    next_text: "Withings がログインと許可を求めます。パスワードは Withings の外に出ません。",
    ending: "接続はいつでも終了できます。Withings アカウントで終了するか、案内元にご依頼ください。",
    proceed: "Withings に進む",
    cancel: "キャンセル",
    moment_title: "お待ちください",
    moment: "Withings アカウントを接続しています。このページは自動的に次へ進みます。",
    connected_title: "接続しました",
    connected: "Withings アカウントを接続しました。",
    refused_title: "接続されていません",
    expired: "このリンクは無効になりました。新しいリンクを依頼してください。",
    consumed: "このリンクはすでに使用されています。新しいリンクを依頼してください。",
    denied: "接続は許可されませんでした。何も共有されていません。",
    duplicate: "この Withings アカウントはすでに接続されています。",
    scopes_missing: "必要な許可が与えられませんでした。新しいリンクを依頼し、すべての許可をオンのままにしてください。",
    other_browser: "リンクを開いたブラウザーとは別のブラウザーを使用しているか、Cookie が保存されていません。もう一度リンクを開き、同じブラウザーで続けてください。",
    provider_error: "Withings に接続できないか、予期しない応答がありました。新しいリンクを依頼してください。",
    close: "このページを閉じてかまいません。",
    back: "アプリに戻る",
};
